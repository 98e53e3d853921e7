#include "devices/panic_report.h"

#include <misc/pvpanic.h>

namespace ember {

void PanicReport::Read(uint64_t /*offset*/, std::span<std::byte> out) {
  if (out.size() != 1) {
    metrics_.bad_accesses.Add();
    return;
  }
  out[0] = std::byte{PVPANIC_PANICKED | PVPANIC_CRASH_LOADED};
}

void PanicReport::Write(uint64_t /*offset*/, std::span<const std::byte> in) {
  if (in.size() != 1) {
    metrics_.bad_accesses.Add();
    return;
  }
  const auto events = std::to_integer<uint8_t>(in[0]);
  if ((events & PVPANIC_PANICKED) != 0) {
    metrics_.panics.Add();
    machine_.Request(VmRequest::kGuestPanicked);
  }
  if ((events & PVPANIC_CRASH_LOADED) != 0) {
    metrics_.crash_loads.Add();
    machine_.Request(VmRequest::kGuestCrashLoaded);
  }
}

}  // namespace ember
