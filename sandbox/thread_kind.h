#ifndef EMBER_SANDBOX_THREAD_KIND_H_
#define EMBER_SANDBOX_THREAD_KIND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ember::sandbox {

// Threads with a filter of their own.
enum class ThreadKind : uint8_t {
  kApi,     // "api"
  kVmm,     // the event loop's, which is main's
  kVcpu,    // "vcpu-N"
  kDevice,  // of one device: its own, and those that wait for the disk in its place
  kWorker,  // what the others ask for: files, activation and reset of devices, another machine
  kFaults,  // delivers guest memory out of a snapshot's file as it is touched
};

inline constexpr size_t kThreadKinds = 6;
inline constexpr std::array<std::string_view, kThreadKinds> kThreadKindNames = {
    "api", "vmm", "vcpu", "device", "worker", "faults"};

constexpr std::string_view NameOf(ThreadKind kind) {
  return kThreadKindNames[static_cast<size_t>(kind)];
}

constexpr std::optional<ThreadKind> ThreadKindOf(std::string_view name) {
  for (size_t i = 0; i < kThreadKinds; ++i) {
    if (kThreadKindNames[i] == name) return static_cast<ThreadKind>(i);
  }
  return std::nullopt;
}

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_THREAD_KIND_H_
