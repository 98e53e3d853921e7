#include "firmware/initrd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/firmware/image_bytes.h"

namespace ember::firmware {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPage = 4096;

class InitrdTest : public testing::Test {
 protected:
  Result<GuestRange> Load(const Bytes& contents, uint64_t kernel_end, uint64_t limit) {
    const Fd fd = FileOf(contents);
    const ImageFile file = TRY(ImageFile::Create(path_, fd));
    return LoadInitrd(*memory_, file, GuestAddress{kernel_end},
                      {GuestAddress{limit}, "initrd_addr_max"});
  }

  const std::string path_ = "initrd";
  std::unique_ptr<GuestMemory> memory_ = RamOf(4 * kMiB);
};

TEST_F(InitrdTest, GoesToTheHighestPageFromWhichItFits) {
  const Bytes contents = Pattern(2 * kPage + 1, 1);
  const GuestRange at = Load(contents, kMiB, 4 * kMiB).value();
  EXPECT_EQ(at, (GuestRange{GuestAddress{4 * kMiB - 3 * kPage}, contents.size()}));
  EXPECT_EQ(ReadGuest(*memory_, at.start, contents.size()), contents);
}

TEST_F(InitrdTest, EndsBelowALimitThatIsNoPages) {
  const GuestRange at = Load(Pattern(kPage, 1), kMiB, 2 * kMiB + 5).value();
  EXPECT_EQ(at.start, GuestAddress{2 * kMiB - kPage});
}

TEST_F(InitrdTest, MayBeginWhereTheKernelEnds) {
  EXPECT_EQ(Load(Pattern(kMiB, 1), 3 * kMiB, 4 * kMiB).value().start, GuestAddress{3 * kMiB});
}

TEST_F(InitrdTest, OneByteTooLargeIsAnErrorWithTheSizeAndBothEnds) {
  EXPECT_EQ(Load(Pattern(kMiB + 1, 1), 3 * kMiB, 4 * kMiB).error().message(),
            "initrd: the initrd of 1048577 bytes does not fit between the kernel's end at 0x300000 "
            "and initrd_addr_max at 0x400000");
}

TEST_F(InitrdTest, AKernelThatEndsAtOrPastTheLimitLeavesNoRoom) {
  EXPECT_FALSE(Load(Pattern(1, 1), 2 * kMiB, 2 * kMiB).has_value());
  EXPECT_FALSE(Load(Pattern(1, 1), 3 * kMiB, 2 * kMiB).has_value());
  EXPECT_FALSE(Load(Pattern(2, 1), 0, 1).has_value());
}

TEST_F(InitrdTest, AnEmptyFileIsAnError) {
  EXPECT_EQ(Load({}, kMiB, 4 * kMiB).error().message(), "initrd: the initrd is empty");
}

}  // namespace
}  // namespace ember::firmware
