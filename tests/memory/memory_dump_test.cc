// Guest memory is in no core dump: it is large, and it is the guest's (core(5), MADV_DONTDUMP).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/fd.h"
#include "memory/guest_memory.h"
#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr GuestRange kRam{.start = GuestAddress{0}, .size_bytes = 4 * kMib};

// How many bytes of [host, host + len) are mapped, and would be dumped.
uint64_t DumpedBytes(const std::byte* host, uint64_t len) {
  const auto begin = reinterpret_cast<uintptr_t>(host);
  std::ifstream smaps("/proc/self/smaps");
  uintptr_t low = 0;
  uintptr_t high = 0;
  uint64_t dumped = 0;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long first = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &first, &end) == 2) {
      low = std::max<uintptr_t>(first, begin);
      high = std::min<uintptr_t>(end, begin + len);
    }
    const bool is_last = line.starts_with("VmFlags:");
    if (is_last && low < high && line.find(" dd") == std::string::npos) dumped += high - low;
  }
  return dumped;
}

class MemoryDumpTest : public testing::TestWithParam<MemoryBacking> {};

INSTANTIATE_TEST_SUITE_P(Backings, MemoryDumpTest,
                         testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kTransparentHuge,
                                         MemoryBacking::kMemfd));

TEST(DumpedBytesTest, CountsWhatIsNotExcluded) {
  const std::vector<std::byte> ours(kMib);
  EXPECT_EQ(DumpedBytes(ours.data(), kMib), kMib);
}

TEST_P(MemoryDumpTest, LeavesRamOut) {
  const auto memory = GuestMemory::Create({kRam}, {.backing = GetParam()}).value();
  EXPECT_EQ(DumpedBytes(memory->regions().front().host, kRam.size_bytes), 0);
}

TEST_P(MemoryDumpTest, LeavesPluggableMemoryOut) {
  const GuestRange range{.start = GuestAddress{uint64_t{4} << 30}, .size_bytes = 8 * kMib};
  const auto memory =
      GuestMemory::Create(
          {kRam}, {.backing = GetParam(),
                   .pluggable = PluggableMemory::Options{.range = range, .block_bytes = 2 * kMib}})
          .value();
  EXPECT_EQ(DumpedBytes(memory->pluggable()->host(), range.size_bytes), 0);
}

TEST_P(MemoryDumpTest, LeavesWhatWasReleasedOut) {
  const auto memory = GuestMemory::Create({kRam}, {.backing = GetParam()}).value();
  ASSERT_TRUE(memory->Release(GuestAddress{kPage}, 16 * kPage));
  EXPECT_EQ(DumpedBytes(memory->regions().front().host, kRam.size_bytes), 0);
}

TEST(MemoryDumpFileTest, LeavesFilesMappedIntoRamOut) {
  const TemporaryDirectory directory;
  const Fd file =
      OpenFile(directory.Write("file", std::string(4 * kPage, 'a')), Access::kReadOnly).value();
  const auto memory = GuestMemory::Create({kRam}, {}).value();
  ASSERT_TRUE(memory->MapFilePrivately(GuestAddress{kPage}, file, 0, 4 * kPage));
  EXPECT_EQ(DumpedBytes(memory->regions().front().host, kRam.size_bytes), 0);
  ASSERT_TRUE(memory->Release(GuestAddress{2 * kPage}, kPage));
  EXPECT_EQ(DumpedBytes(memory->regions().front().host, kRam.size_bytes), 0);
}

}  // namespace
}  // namespace ember
