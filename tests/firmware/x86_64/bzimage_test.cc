#include "firmware/x86_64/bzimage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/firmware/x86_64/bzimage_builder.h"

namespace ember::firmware::x86_64 {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;

class BzImageTest : public testing::Test {
 protected:
  // Reads and loads the image into RAM of `ram_mib`.
  Result<GuestRange> Load(const Bytes& bytes, uint64_t ram_mib = 32) {
    const Fd fd = FileOf(bytes);
    const ImageFile file = TRY(ImageFile::Create(path_, fd));
    memory_ = RamOf(ram_mib * kMiB);
    const BzImage image = TRY(ReadBzImage(file));
    return LoadBzImage(*memory_, file, image, {GuestAddress{kMiB}, (ram_mib - 1) * kMiB});
  }
  std::string LoadError(const Bytes& bytes, uint64_t ram_mib = 32) {
    const auto range = Load(bytes, ram_mib);
    return range ? "no error" : range.error().message();
  }

  const std::string path_ = "kernel";
  std::unique_ptr<GuestMemory> memory_;
  BzImageBuilder bz_;
};

TEST_F(BzImageTest, GoesToItsPreferredAddressAndKeepsInitSize) {
  EXPECT_EQ(Load(bz_.Build()).value(), (GuestRange{GuestAddress{16 * kMiB}, kMiB}));
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{16 * kMiB}, bz_.kernel.size()), bz_.kernel);
  EXPECT_EQ(BzImageEntry({GuestAddress{16 * kMiB}, kMiB}), GuestAddress{16 * kMiB + 0x200});
}

TEST_F(BzImageTest, WithoutSetupSectorsThereAreFour) {
  bz_.header.setup_sects = 0;
  ASSERT_TRUE(Load(bz_.Build()).has_value());
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{16 * kMiB}, bz_.kernel.size()), bz_.kernel);
}

TEST_F(BzImageTest, WhatFollowsTheKernelInTheFileIsNotLoaded) {
  Bytes bytes = bz_.Build();
  Put(bytes, bytes.size(), Pattern(512, 9));
  ASSERT_TRUE(Load(bytes).has_value());
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{16 * kMiB + bz_.kernel.size()}, 512), Bytes(512));
}

TEST_F(BzImageTest, InitSizeMayEndWithTheRam) {
  EXPECT_EQ(Load(bz_.Build(), 17).value().start, GuestAddress{16 * kMiB});
}

TEST_F(BzImageTest, WhereThePreferredAddressHasNoRamItIsMovedToTheLowestAlignedOne) {
  EXPECT_EQ(Load(bz_.Build(), 16).value(), (GuestRange{GuestAddress{2 * kMiB}, kMiB}));
  bz_.header.pref_address = 0;
  bz_.header.kernel_alignment = 1;
  EXPECT_EQ(Load(bz_.Build()).value(), (GuestRange{GuestAddress{kMiB}, kMiB}));
}

TEST_F(BzImageTest, AKernelThatCannotBeMovedMustFitWhereItPrefers) {
  bz_.header.relocatable_kernel = 0;
  EXPECT_TRUE(Load(bz_.Build(), 17).has_value());
  EXPECT_EQ(LoadError(bz_.Build(), 16),
            "kernel: init_size 1048576 from pref_address 0x1000000 is not within the RAM from "
            "0x100000 to 0x1000000, and relocatable_kernel is 0");
}

TEST_F(BzImageTest, AKernelThatFitsNowhereIsRefused) {
  bz_.header.init_size = 31 * kMiB;
  EXPECT_THAT(LoadError(bz_.Build()), HasSubstr("init_size 32505856"));
  bz_.header.pref_address = UINT64_MAX;
  EXPECT_THAT(LoadError(bz_.Build()), HasSubstr("pref_address 0xffffffffffffffff"));
}

TEST_F(BzImageTest, AnAlignmentThatIsNoPowerOfTwoIsRefused) {
  for (const uint32_t alignment : {0U, 3U, UINT32_MAX}) {
    bz_.header.kernel_alignment = alignment;
    EXPECT_THAT(LoadError(bz_.Build(), 16), HasSubstr("kernel_alignment")) << alignment;
  }
}

TEST_F(BzImageTest, ProtocolsBefore212AndThoseWithout64BitEntryAreRefused) {
  bz_.header.version = 0x020b;
  EXPECT_EQ(LoadError(bz_.Build()), "kernel: version 0x20b of the boot protocol is below 0x20c");
  bz_.header.version = 0x020c;
  EXPECT_TRUE(Load(bz_.Build()).has_value());
  bz_.header.xloadflags = XLF_CAN_BE_LOADED_ABOVE_4G;
  EXPECT_THAT(LoadError(bz_.Build()), HasSubstr("xloadflags 0x2 lacks XLF_KERNEL_64"));
}

TEST_F(BzImageTest, TheHeaderEndsWhereItsJumpSays) {
  Bytes bytes = bz_.Build();
  bytes.resize(1024 + 1024);
  Put(bytes, 0x26c, Pattern(0x290 - 0x26c, 3));
  const Fd fd = FileOf(bytes);
  const ImageFile file = ImageFile::Create(path_, fd).value();
  EXPECT_EQ(ReadBzImage(file).value().header.later_fields, decltype(SetupHeader::later_fields){});

  SetField(bytes, {"jump", 0x201, 1}, 0x290 - 0x202);
  const Fd longer_fd = FileOf(bytes);
  const ImageFile longer = ImageFile::Create(path_, longer_fd).value();
  const Bytes later = Pattern(0x290 - 0x26c, 3);
  EXPECT_TRUE(std::ranges::equal(ReadBzImage(longer).value().header.later_fields, later));

  SetField(bytes, {"jump", 0x201, 1}, 0x291 - 0x202);
  EXPECT_THAT(LoadError(bytes), HasSubstr("jump says that the setup header ends at 0x291"));
  SetField(bytes, {"jump", 0x201, 1}, 0x263 - 0x202);
  EXPECT_THAT(LoadError(bytes), HasSubstr("jump says that the setup header ends at 0x263"));
}

TEST_F(BzImageTest, InitSizeMustHoldTheKernel) {
  bz_.header.init_size = 1023;
  EXPECT_EQ(LoadError(bz_.Build()),
            "kernel: init_size 1023 is less than the 1024 bytes that syssize says");
  bz_.header.init_size = 1024;
  EXPECT_TRUE(Load(bz_.Build()).has_value());
}

TEST_F(BzImageTest, AKernelShorterThanItsEntryIsRefused) {
  bz_.kernel.resize(0x200);
  EXPECT_THAT(LoadError(bz_.Build()), HasSubstr("syssize makes the kernel 512 bytes"));
  bz_.kernel.resize(0x210);
  EXPECT_TRUE(Load(bz_.Build()).has_value());
}

}  // namespace
}  // namespace ember::firmware::x86_64
