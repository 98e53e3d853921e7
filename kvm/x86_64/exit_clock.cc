#include "kvm/exit_clock.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "base/clock.h"

namespace ember::kvm {
namespace {

constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;
// Bits of scale_ after the point: an hour at 5 GHz does not overflow, and the error is below 10 in
// a million.
constexpr int kFractionBits = 20;

}  // namespace

// KVM tells the guest's rate, which on a new vCPU is the host's.
ExitClock ExitClock::Create(const Fd& vcpu_fd) {
  const int khz = ::ioctl(vcpu_fd.get(), KVM_GET_TSC_KHZ, 0);
  return ExitClock(khz > 0 ? static_cast<uint64_t>(khz) : 0);
}

ExitClock::ExitClock(uint64_t cycles_per_ms)
    : scale_(cycles_per_ms == 0 ? 0
                                : (kNanosecondsPerMillisecond << kFractionBits) / cycles_per_ms) {}

uint64_t ExitClock::Now() const {
  if (scale_ != 0) return __rdtsc();
  return static_cast<uint64_t>(MonotonicClock().Now().count());
}

std::chrono::nanoseconds ExitClock::Since(uint64_t begin) const {
  const uint64_t now = Now();
  // The thread may have come to a processor whose counter is a little behind.
  const uint64_t passed = now > begin ? now - begin : 0;
  return std::chrono::nanoseconds(scale_ == 0 ? passed : (passed * scale_) >> kFractionBits);
}

}  // namespace ember::kvm
