#ifndef EMBER_SANDBOX_FILTER_SET_H_
#define EMBER_SANDBOX_FILTER_SET_H_

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/thread_kind.h"

namespace ember::sandbox {

// A filter for each kind of thread, in the kernel's form. Borrowed.
using FilterSet = std::array<std::span<const sock_filter>, kThreadKinds>;

// The same, with memory of its own.
using OwnedFilters = std::array<std::vector<sock_filter>, kThreadKinds>;

// The filters that the program was built with.
FilterSet BuiltInFilters();

FilterSet Borrow(const OwnedFilters& filters);

// What a filter compares with where it means the process that puts it on, which nobody knows when
// filters are compiled; more than a process's number can be. OWN_PROCESS in a policy.
inline constexpr uint32_t kOwnProcess = 0x6f776e21;

// The filter with `process` in place of that.
std::vector<sock_filter> ForProcess(uint32_t process, std::span<const sock_filter> filter);

// The file's form (docs/seccomp.md), little-endian: "EMBRSECC", u32 version, u32 AUDIT_ARCH_* of
// the processor, u32 count; then each filter: a name of 16 bytes padded with 0, u32 count of
// instructions, and those, of 8 bytes each.
inline constexpr size_t kMaxFilterFileBytes = 262144;

std::vector<std::byte> WriteFilterFile(const FilterSet& filters);
// Takes nothing but a whole file for this processor: each kind of thread once, with 1 to 4096
// instructions, and nothing behind. Whether the instructions make sense the kernel says.
Result<OwnedFilters> ReadFilterFile(std::span<const std::byte> bytes);
// The same from the file at `path`.
Result<OwnedFilters> LoadFilterFile(const std::string& path);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_FILTER_SET_H_
