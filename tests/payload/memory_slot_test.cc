#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/mapping.h"
#include "tests/kvm/recording_device.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSlotBytes = uint64_t{2} << 20;
constexpr GuestRange kPlace{.start = GuestAddress{uint64_t{4} << 30}, .size_bytes = kSlotBytes};
constexpr uint64_t kPattern = 0x8877'6655'4433'2211;

class MemorySlotTest : public ::testing::Test {
 protected:
  MemorySlotTest() {
    Must(
        guest_.mmio().Insert({.base = ToInteger(kPlace.start), .size_bytes = kSlotBytes}, beside_));
  }
  // Has the guest write the pattern to the slot's second page, and read it back to kData.
  void WriteAndReadBack() {
    PayloadCode code;
    code.MovRbx(ToInteger(kPlace.start) + 0x1000).MovRax(kPattern).StoreAtRbx(Width::k64);
    code.MovRax(0).LoadFromRbx(Width::k64);
    code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64);
    const std::unique_ptr<kvm::Vcpu> vcpu = guest_.CreateVcpu(vcpus_++, code.Finish());
    guest_.RunUntilDone(*vcpu);
  }
  kvm::MemorySlot Add(Access access) {
    return Must(guest_.vm().AddMemorySlot(kPlace, host_.data(), access));
  }
  uint64_t HostValue() const {
    uint64_t value = 0;
    std::memcpy(&value, host_.data() + 0x1000, sizeof(value));
    return value;
  }

  Mapping host_ = Must(Mapping::Anonymous(kSlotBytes));
  PayloadGuest guest_;
  std::shared_ptr<RecordingDevice> beside_ = std::make_shared<RecordingDevice>();
  uint32_t vcpus_ = 0;
};

TEST_F(MemorySlotTest, IsMemoryOfTheGuestWhileItLives) {
  const kvm::MemorySlot slot = Add(Access::kReadWrite);
  EXPECT_EQ(slot.range(), kPlace);
  WriteAndReadBack();
  EXPECT_EQ(guest_.ReadData(), kPattern);
  EXPECT_EQ(HostValue(), kPattern);
  EXPECT_TRUE(beside_->writes().empty());
}

TEST_F(MemorySlotTest, LeavesMmioBehindWhenItGoes) {
  { const kvm::MemorySlot slot = Add(Access::kReadWrite); }
  beside_->AnswerWith(7);
  WriteAndReadBack();
  EXPECT_EQ(guest_.ReadData(), 7U);
  EXPECT_EQ(HostValue(), 0U);
  EXPECT_EQ(beside_->writes().size(), 1U);
}

TEST_F(MemorySlotTest, TakesWritesToReadOnlyMemoryAsMmio) {
  const kvm::MemorySlot slot = Add(Access::kReadOnly);
  WriteAndReadBack();
  EXPECT_EQ(guest_.ReadData(), 0U);
  EXPECT_EQ(HostValue(), 0U);
  EXPECT_EQ(beside_->writes().size(), 1U);
}

TEST_F(MemorySlotTest, MayBeMovedAndReplaced) {
  kvm::MemorySlot slot = Add(Access::kReadWrite);
  kvm::MemorySlot moved = std::move(slot);
  slot = kvm::MemorySlot();
  WriteAndReadBack();
  EXPECT_EQ(HostValue(), kPattern);
  moved = kvm::MemorySlot();
  moved = Add(Access::kReadWrite);
  EXPECT_EQ(moved.range(), kPlace);
}

TEST_F(MemorySlotTest, ThatMeetsAnotherOrRamIsAnErrorThatNamesIt) {
  const kvm::MemorySlot slot = Add(Access::kReadWrite);
  const auto again = guest_.vm().AddMemorySlot(kPlace, host_.data(), Access::kReadWrite);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message(), HasSubstr("at 0x100000000 of 2097152 bytes"));
  const auto on_ram =
      guest_.vm().AddMemorySlot({GuestAddress{0}, kSlotBytes}, host_.data(), Access::kReadWrite);
  EXPECT_FALSE(on_ram);
}

TEST_F(MemorySlotTest, NumbersAreUsedAgain) {
  for (int i = 0; i < 100; ++i) {
    const kvm::MemorySlot slot = Add(Access::kReadWrite);
    ASSERT_EQ(slot.range(), kPlace);
  }
}

TEST(PhysicalAddressTest, HasAtLeastTheBitsOfAnyProcessorWithLongMode) {
  const kvm::System system = Must(kvm::System::Open());
  EXPECT_GE(Must(system.PhysicalAddressBits()), 36U);
  EXPECT_LE(Must(system.PhysicalAddressBits()), 52U);
}

}  // namespace
}  // namespace ember
