#include "firmware/x86_64/page_tables.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/x86_64/layout.h"

namespace ember::firmware::x86_64 {
namespace {

// Intel SDM vol. 3, tables 4-15 to 4-18.
constexpr uint64_t kPresent = 1 << 0;
constexpr uint64_t kWritable = 1 << 1;
constexpr uint64_t kLargePage = 1 << 7;

constexpr uint64_t kLargePageBytes = 2 << 20;
constexpr uint64_t kEntries = 512;
constexpr uint64_t kDirectories = 4;  // 1 GiB each

constexpr GuestAddress kPointers = kPageTables + kPageBytes;
constexpr GuestAddress kFirstDirectory = kPointers + kPageBytes;

using Table = std::array<uint64_t, kEntries>;
static_assert(sizeof(Table) == kPageBytes);

}  // namespace

Result<GuestAddress> WriteIdentityPageTables(const GuestMemory& memory) {
  Table root{};
  root[0] = ToInteger(kPointers) | kPresent | kWritable;
  TRY(memory.Write(kPageTables, root));

  Table pointers{};
  for (uint64_t gib = 0; gib < kDirectories; ++gib) {
    const GuestAddress at = kFirstDirectory + gib * kPageBytes;
    pointers[gib] = ToInteger(at) | kPresent | kWritable;
    Table directory;
    for (uint64_t i = 0; i < kEntries; ++i) {
      directory[i] = (gib * kEntries + i) * kLargePageBytes | kPresent | kWritable | kLargePage;
    }
    TRY(memory.Write(at, directory));
  }
  TRY(memory.Write(kPointers, pointers));
  return kPageTables;
}

}  // namespace ember::firmware::x86_64
