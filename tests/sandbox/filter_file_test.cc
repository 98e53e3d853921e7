#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "sandbox/filter_set.h"
#include "tests/base/temporary_directory.h"

namespace ember::sandbox {
namespace {

using testing::HasSubstr;

constexpr size_t kHeaderBytes = 20;
constexpr size_t kNameBytes = 16;

// One filter of `count` instructions for each thread.
OwnedFilters Sample(size_t count = 3) {
  OwnedFilters filters;
  for (size_t i = 0; i < kThreadKinds; ++i) {
    filters[i].assign(count, {.code = 6, .jt = 1, .jf = 2, .k = static_cast<uint32_t>(i)});
  }
  return filters;
}

std::vector<std::byte> SampleFile() { return WriteFilterFile(Borrow(Sample())); }

void Put(std::vector<std::byte>& file, size_t at, uint32_t value) {
  std::memcpy(file.data() + at, &value, sizeof(value));
}

std::string ErrorOf(const std::vector<std::byte>& file) {
  const Result<OwnedFilters> filters = ReadFilterFile(file);
  return filters ? "no error" : filters.error().message();
}

TEST(FilterFileTest, WhatIsWrittenIsRead) {
  const OwnedFilters filters = ReadFilterFile(SampleFile()).value();
  for (size_t i = 0; i < kThreadKinds; ++i) {
    ASSERT_EQ(filters[i].size(), 3U);
    EXPECT_EQ(filters[i][2].code, 6);
    EXPECT_EQ(filters[i][2].jt, 1);
    EXPECT_EQ(filters[i][2].jf, 2);
    EXPECT_EQ(filters[i][2].k, i);
  }
}

TEST(FilterFileTest, NoPartOfAFileIsTaken) {
  const std::vector<std::byte> file = SampleFile();
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(ErrorOf({file.begin(), file.begin() + static_cast<ptrdiff_t>(size)}), "no error");
  }
}

TEST(FilterFileTest, WhatFollowsTheLastFilterIsRefused) {
  std::vector<std::byte> file = SampleFile();
  file.push_back({});
  EXPECT_THAT(ErrorOf(file), HasSubstr("1 bytes follow"));
}

TEST(FilterFileTest, TheHeaderMustBeOurs) {
  std::vector<std::byte> file = SampleFile();
  file[0] = std::byte{'e'};
  EXPECT_THAT(ErrorOf(file), HasSubstr("no set of compiled filters"));
  file = SampleFile();
  Put(file, 8, 2);
  EXPECT_THAT(ErrorOf(file), HasSubstr("version 2 is not 1"));
  file = SampleFile();
  Put(file, 12, 0x40000003);
  EXPECT_THAT(ErrorOf(file), HasSubstr("for processor 0x40000003"));
  file = SampleFile();
  Put(file, 16, 4);
  EXPECT_THAT(ErrorOf(file), HasSubstr("4 filters"));
}

TEST(FilterFileTest, EachThreadIsThereOnce) {
  std::vector<std::byte> file = SampleFile();
  file[kHeaderBytes] = std::byte{'x'};
  EXPECT_THAT(ErrorOf(file), HasSubstr("a thread that there is not"));
  file = SampleFile();
  file[kHeaderBytes + kNameBytes - 1] = std::byte{'x'};
  EXPECT_THAT(ErrorOf(file), HasSubstr("a thread that there is not"));
  file = SampleFile();
  const size_t second = kHeaderBytes + kNameBytes + 4 + 3 * 8;
  std::copy_n(file.begin() + kHeaderBytes, kNameBytes,
              file.begin() + static_cast<ptrdiff_t>(second));
  EXPECT_THAT(ErrorOf(file), HasSubstr("two filters are for api"));
}

TEST(FilterFileTest, AFilterHasAsManyInstructionsAsTheKernelTakes) {
  for (const uint32_t count : {0U, 4097U, 0xffffffffU}) {
    std::vector<std::byte> file = SampleFile();
    Put(file, kHeaderBytes + kNameBytes, count);
    EXPECT_THAT(ErrorOf(file), HasSubstr("not between 1 and 4096"));
  }
  EXPECT_EQ(ErrorOf(WriteFilterFile(Borrow(Sample(4096)))), "no error");
}

TEST(FilterFileTest, AFileThatIsTooLongOrNoneIsNotRead) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("filters", std::string(kMaxFilterFileBytes + 1, 'x'));
  EXPECT_THAT(LoadFilterFile(path).error().message(), HasSubstr("exceed the limit 262144"));
  EXPECT_THAT(LoadFilterFile(directory.Path("none")).error().message(), HasSubstr("none"));
  EXPECT_THAT(LoadFilterFile("/dev/null").error().message(), HasSubstr("/dev/null"));
}

}  // namespace
}  // namespace ember::sandbox
