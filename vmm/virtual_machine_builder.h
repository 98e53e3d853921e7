#ifndef EMBER_VMM_VIRTUAL_MACHINE_BUILDER_H_
#define EMBER_VMM_VIRTUAL_MACHINE_BUILDER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/token_bucket.h"
#include "firmware/platform.h"
#include "kvm/vcpu.h"
#include "memory/address_allocator.h"
#include "memory/guest_memory.h"
#include "memory/pluggable_memory.h"
#include "vmm/snapshot/machine_state.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/virtual_machine.h"

namespace ember::vmm {

// The steps to a machine, in the two orders that there are: from a configuration to a running
// guest, and from a snapshot to one that goes on. Makes one machine, of which an error leaves
// nothing. Loop thread.
class VirtualMachine::Builder {
 public:
  // What `host` refers to outlives the machine.
  Builder(VmConfig config, const MachineHost& host);

  // Once, one of the two.
  Result<std::unique_ptr<Machine>> Build();
  // The machine of `state`, whose configuration the builder has, with the client's overrides.
  // vmm/snapshot/virtual_machine_restore.cc.
  Result<std::unique_ptr<Machine>> Restore(const SavedMachine& state, const SnapshotLoad& load);

 private:
  Status OpenSystem();
  uint64_t RamBytes() const;
  // Where devices can have memory of their own; nothing for a machine that has none of these.
  Result<GuestRange> DeviceMemory() const;
  Status AllocateMemory(const std::optional<PluggableMemory::Options>& pluggable);
  // To those who look how much of it there is.
  void ShowMemory(const GuestMemory& memory) const;
  // Of a new machine, without a state.
  Status AddBoard(std::optional<BoardState> state);
  TokenBucketOptions ConsoleLimit() const;
  Result<Fd> OpenOutput() const;
  Status AddDevices(const AddressAllocator& addresses, const DeviceStates* states);
  Status StartThreads(std::vector<std::unique_ptr<kvm::Vcpu>> vcpus);

  // For a new machine.
  Status LoadKernel(const kvm::Vcpu& boot_vcpu) const;
  Status WriteGenerationId(const firmware::Platform& platform) const;

  // For a snapshot's.
  Status LoadMemory(const SavedMachine& state, const SnapshotLoad& load) const;
  // Of the file, whose pages are delivered one by one.
  Status RecordMemory(MemoryFile file) const;
  Status LoadMemoryByFaults(const SavedMachine& state, const std::string& socket_path) const;
  Result<std::vector<std::unique_ptr<kvm::Vcpu>>> RestoreVcpus(const SavedMachine& state) const;
  // Once interrupt controllers are restored.
  Status BeginGeneration() const;

  std::unique_ptr<VirtualMachine> machine_;
  const VmConfig& config_;  // the machine's
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_VIRTUAL_MACHINE_BUILDER_H_
