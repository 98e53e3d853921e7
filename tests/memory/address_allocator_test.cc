#include "memory/address_allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ember {
namespace {

constexpr GuestRange kSpace{.start = GuestAddress{0x1000}, .size_bytes = 0x9000};

TEST(AddressAllocatorTest, GivesPiecesOneAfterTheOther) {
  AddressAllocator allocator(kSpace);
  EXPECT_EQ(*allocator.Take(0x1000, 0x1000), (GuestRange{GuestAddress{0x1000}, 0x1000}));
  EXPECT_EQ(*allocator.Take(0x2000, 0x1000), (GuestRange{GuestAddress{0x2000}, 0x2000}));
}

TEST(AddressAllocatorTest, AlignsEachPiece) {
  AddressAllocator allocator(kSpace);
  EXPECT_EQ(*allocator.Take(1, 0x4000), (GuestRange{GuestAddress{0x4000}, 1}));
  EXPECT_EQ(*allocator.Take(1, 0x1000), (GuestRange{GuestAddress{0x5000}, 1}));
}

TEST(AddressAllocatorTest, GivesItsLastByteAndNotOneMore) {
  AddressAllocator allocator(kSpace);
  EXPECT_FALSE(allocator.Take(0x9001, 0x1000));
  EXPECT_EQ(*allocator.Take(0x9000, 0x1000), kSpace);
  EXPECT_FALSE(allocator.Take(1, 1));
}

TEST(AddressAllocatorTest, SaysWhatWasAskedForAndWhatIsLeftAndTakesNothing) {
  AddressAllocator allocator(kSpace);
  const auto refused = allocator.Take(0x100, 0x10000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "no room for 256 bytes aligned to 65536 in the 36864 bytes of guest-physical addresses "
            "from 0x1000 on");
  EXPECT_FALSE(allocator.Take(~uint64_t{0}, 0x1000)) << "no sum may wrap";
  EXPECT_EQ(*allocator.Take(0x9000, 1), kSpace);
}

}  // namespace
}  // namespace ember
