#ifndef EMBER_KVM_VM_H_
#define EMBER_KVM_VM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "devices/interrupt_line.h"
#include "kvm/interrupt_metrics.h"
#include "kvm/io_event.h"
#include "kvm/memory_slot.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"

namespace ember {
class GuestMemory;
}

namespace ember::kvm {

// Where the guest has written in a piece of its memory.
struct WrittenPages {
  GuestRange range;
  // A bit for each page of DirtyPages::kPageBytes, that of the first one lowest.
  std::vector<uint64_t> bits;
};

// One virtual machine inside KVM: RAM, interrupt controllers and timer; vCPUs, interrupt lines and
// doorbells are added to it. Any thread; nothing is cached that could disagree with the kernel.
class Vm {
 public:
  // Makes the machine with all of `memory` registered and its interrupt controllers in the kernel;
  // where the memory tracks dirty pages, KVM logs those of the guest.
  // One step because the order matters: memory registered after the interrupt controllers costs 70
  // times as much (7.4 ms against 0.1 ms for 128 MiB). `memory` must outlive the Vm.
  static Result<std::unique_ptr<Vm>> Create(const System& system, const GuestMemory& memory);

  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  // Each index once. On x86 the vCPU's APIC id is its index.
  Result<std::unique_ptr<Vcpu>> CreateVcpu(VcpuIndex index);
  // An edge-triggered line over an irqfd. The Vm must outlive it.
  Result<std::unique_ptr<InterruptLine>> CreateInterruptLine(Gsi gsi);
  // Shows `size_bytes` of host memory from `host` on to the guest at range.start; both, and the
  // size, in whole pages of the host. What the guest writes where `access` says read-only exits as
  // MMIO. Also while vCPUs run; takes milliseconds. Fails where the range meets RAM or another
  // slot.
  Result<MemorySlot> AddMemorySlot(const GuestRange& range, std::byte* host, Access access,
                                   DirtyLog log = DirtyLog::kOff) EXCLUDES(slots_mutex_);
  // What pages the guest has written since the last call, or since they were there: of RAM, where
  // that tracks dirty pages, and of the slots that are there and have a log. While no vCPU runs,
  // nothing is missed. After an error some of them will not be told again.
  Result<std::vector<WrittenPages>> TakeWrittenPages() EXCLUDES(slots_mutex_);
  // Connects a doorbell with an eventfd, which may be closed afterwards but then rings for nobody.
  // Removing takes the same two, before the eventfd is closed.
  Status AddIoEvent(const IoEvent& event, const Fd& event_fd);
  Status RemoveIoEvent(const IoEvent& event, const Fd& event_fd);

  const Fd& fd() const { return fd_; }
  const InterruptMetrics& interrupt_metrics() const { return interrupt_metrics_; }

 private:
  struct Slot {
    GuestRange range;
    DirtyLog log;
  };

  Vm(Fd fd, size_t run_area_bytes, const GuestMemory& memory);

  friend class MemorySlot;
  void RemoveMemorySlot(uint32_t number) EXCLUDES(slots_mutex_);

  const Fd fd_;
  const size_t run_area_bytes_;
  InterruptMetrics interrupt_metrics_;

  Mutex slots_mutex_;
  std::vector<std::optional<Slot>> slots_ GUARDED_BY(slots_mutex_);  // by number; those in use
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_VM_H_
