#include "base/file_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr uint64_t kBlock = 64 * 1024;  // no file system here has larger ones

class FileRangesTest : public testing::Test {
 protected:
  FileRangesTest() : file_(*CreateFile(directory_.Path("file"))) {}

  void Grow(uint64_t size_bytes) {
    ASSERT_EQ(::ftruncate(file_.get(), static_cast<off_t>(size_bytes)), 0);
  }
  void Put(uint64_t block) {
    const std::vector<std::byte> bytes(kBlock, std::byte{7});
    ASSERT_TRUE(WriteAllAt(file_, block * kBlock, bytes));
  }
  // As blocks: the first, and how many.
  std::vector<std::pair<uint64_t, uint64_t>> DataOf(uint64_t first, uint64_t count) {
    std::vector<std::pair<uint64_t, uint64_t>> found;
    const FileRange within{.offset_bytes = first * kBlock, .size_bytes = count * kBlock};
    const auto ranges = DataRanges(file_.get(), within);
    for (const FileRange& data : ranges.value()) {
      found.emplace_back(data.offset_bytes / kBlock, data.size_bytes / kBlock);
    }
    return found;
  }

  TemporaryDirectory directory_;
  Fd file_;
};

TEST_F(FileRangesTest, AreWhatWasWrittenInOrder) {
  Grow(16 * kBlock);
  for (const uint64_t block : {12U, 3U, 4U}) Put(block);
  EXPECT_THAT(DataOf(0, 16), ElementsAre(Pair(3, 2), Pair(12, 1)));
}

TEST_F(FileRangesTest, EndWhereTheyAreAskedForAndWhereTheFileDoes) {
  Grow(16 * kBlock);
  for (const uint64_t block : {3U, 4U, 15U}) Put(block);
  EXPECT_THAT(DataOf(4, 2), ElementsAre(Pair(4, 1)));
  EXPECT_THAT(DataOf(5, 10), IsEmpty());
  EXPECT_THAT(DataOf(14, 100), ElementsAre(Pair(15, 1)));
}

TEST_F(FileRangesTest, OfWhatIsNoFileAreAnError) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd out(ends[0]);
  const Fd in(ends[1]);
  EXPECT_FALSE(DataRanges(out.get(), {.size_bytes = kBlock}));
  EXPECT_FALSE(WriteAllAt(in, 0, std::array{std::byte{1}}));
}

}  // namespace
}  // namespace ember
