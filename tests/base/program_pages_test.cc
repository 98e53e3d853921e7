#include "base/program_pages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/fd.h"

namespace ember {
namespace {

struct Pages {
  uintptr_t first = 0;
  size_t count = 0;
};

// Of the program's code: the mapping that this function is in.
Pages Code() {
  const auto page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto here = reinterpret_cast<uintptr_t>(&Code);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    fields >> std::hex >> begin >> dash >> end;
    if (here >= begin && here < end) {
      return {.first = begin / page_bytes, .count = (end - begin) / page_bytes};
    }
  }
  return {};
}

size_t CountPresent(const Pages& pages) {
  constexpr uint64_t kPresentBit = uint64_t{1} << 63;
  std::vector<uint64_t> entries(pages.count);
  const Fd pagemap = OpenFile("/proc/self/pagemap", Access::kReadOnly).value();
  EXPECT_TRUE(ReadExactAt(pagemap, pages.first * sizeof(uint64_t),
                          std::as_writable_bytes(std::span(entries))));
  return static_cast<size_t>(
      std::ranges::count_if(entries, [](uint64_t entry) { return (entry & kPresentBit) != 0; }));
}

TEST(ProgramPagesTest, WhatIsNotInUseIsTheProcessesNoMore) {
  const Pages code = Code();
  const auto page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (size_t i = 0; i < code.count; ++i) {
    static_cast<void>(*reinterpret_cast<const volatile char*>((code.first + i) * page_bytes));
  }
  ASSERT_EQ(CountPresent(code), code.count);
  ReleaseProgramPages();
  EXPECT_LT(CountPresent(code), code.count / 2);
}

}  // namespace
}  // namespace ember
