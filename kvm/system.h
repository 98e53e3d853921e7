#ifndef EMBER_KVM_SYSTEM_H_
#define EMBER_KVM_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "kvm/cpu_modifiers.h"

namespace ember::kvm {

// What executes guest code: the processor's virtualization, or a kernel module that does without
// and emulates the guest's kernel mode.
enum class Backend { kHardware, kSoftware };

// A sentence for the log and for errors.
std::string_view Describe(Backend backend);

// The host's KVM: an open /dev/kvm that has everything a machine of ours needs. Constant after
// Open(), any thread. Movable; the VMs made from it do not need it to stay.
class System {
 public:
  // Fails if `path` is not there, not ours to open, no KVM device, of another interface version or
  // without a needed capability; the error says which, and for the last names the capability and
  // the back end. `modifiers` add to what is needed, or take from it.
  static Result<System> Open(const std::string& path = "/dev/kvm",
                             std::span<const CapabilityModifier> modifiers = {});

  const Fd& fd() const { return fd_; }
  Backend backend() const { return backend_; }
  // How many vCPUs one VM should and can have.
  uint32_t recommended_vcpus() const { return recommended_vcpus_; }
  uint32_t max_vcpus() const { return max_vcpus_; }
  // The size of the area a vCPU shares with us.
  size_t run_area_bytes() const { return run_area_bytes_; }
  // How many bits a guest-physical address can have here. Takes a third of a millisecond.
  Result<uint32_t> PhysicalAddressBits() const;
  // The answer to KVM_CHECK_EXTENSION: 0 where the capability is missing; an error where KVM fails
  // to say.
  Result<int> QueryCapability(int number) const;

 private:
  explicit System(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
  Backend backend_ = Backend::kHardware;
  uint32_t recommended_vcpus_ = 0;
  uint32_t max_vcpus_ = 0;
  size_t run_area_bytes_ = 0;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_SYSTEM_H_
