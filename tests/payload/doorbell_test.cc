#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"
#include "kvm/io_event.h"
#include "tests/kvm/recording_device.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Access = RecordingDevice::Access;

constexpr uint64_t kDoorbell = PayloadGuest::kMmioAddress + 0x50;
constexpr uint16_t kPortDoorbell = 0x600;

// How often an eventfd was rung since it was read last.
uint64_t Rings(const Fd& event) {
  uint64_t count = 0;
  return ::read(event.get(), &count, sizeof(count)) == sizeof(count) ? count : 0;
}

class DoorbellTest : public ::testing::Test {
 protected:
  DoorbellTest() {
    Must(guest_.mmio().Insert({.base = PayloadGuest::kMmioAddress, .size_bytes = 0x1000}, device_));
    Must(guest_.pio().Insert({.base = kPortDoorbell, .size_bytes = 4}, device_));
  }
  void Run(PayloadCode& code) {
    const std::unique_ptr<kvm::Vcpu> vcpu = guest_.CreateVcpu(0, code.Finish());
    guest_.RunUntilDone(*vcpu);
  }

  PayloadGuest guest_;
  std::shared_ptr<RecordingDevice> device_ = std::make_shared<RecordingDevice>();
  Fd event_ = Must(CreateEventFd());
};

TEST_F(DoorbellTest, AWriteRingsWithoutAnExit) {
  Must(guest_.vm().AddIoEvent({.address = kDoorbell}, event_));
  PayloadCode code;
  code.MovRbx(kDoorbell).MovRax(3).StoreAtRbx(Width::k32).StoreAtRbx(Width::k32);
  Run(code);
  EXPECT_EQ(Rings(event_), 2U);
  EXPECT_THAT(device_->writes(), IsEmpty());
  EXPECT_EQ(guest_.metrics().exit_mmio_write.value(), 0U);
}

TEST_F(DoorbellTest, OnlyTheValueAskedForRings) {
  Must(guest_.vm().AddIoEvent({.address = kDoorbell, .value = 1}, event_));
  PayloadCode code;
  code.MovRbx(kDoorbell).MovRax(1).StoreAtRbx(Width::k32).MovRax(2).StoreAtRbx(Width::k32);
  Run(code);
  EXPECT_EQ(Rings(event_), 1U);
  EXPECT_THAT(device_->writes(), ElementsAre(Access{0x50, 4, 2}));
}

TEST_F(DoorbellTest, AWriteOfAnotherSizeGoesToTheDevice) {
  Must(guest_.vm().AddIoEvent({.address = kDoorbell, .size_bytes = 4}, event_));
  PayloadCode code;
  code.MovRbx(kDoorbell).MovRax(1).StoreAtRbx(Width::k16);
  Run(code);
  EXPECT_EQ(Rings(event_), 0U);
  EXPECT_THAT(device_->writes(), ElementsAre(Access{0x50, 2, 1}));
}

TEST_F(DoorbellTest, APortCanBeADoorbell) {
  Must(guest_.vm().AddIoEvent(
      {.space = kvm::IoSpace::kPio, .address = kPortDoorbell, .size_bytes = 2}, event_));
  PayloadCode code;
  code.MovRdx(kPortDoorbell).MovRax(1).Out(Width::k16);
  Run(code);
  EXPECT_EQ(Rings(event_), 1U);
  EXPECT_THAT(device_->writes(), IsEmpty());
}

TEST_F(DoorbellTest, ARemovedDoorbellIsAPlainRegisterAgain) {
  const kvm::IoEvent doorbell{.address = kDoorbell, .value = 1};
  Must(guest_.vm().AddIoEvent(doorbell, event_));
  Must(guest_.vm().RemoveIoEvent(doorbell, event_));
  PayloadCode code;
  code.MovRbx(kDoorbell).MovRax(1).StoreAtRbx(Width::k32);
  Run(code);
  EXPECT_EQ(Rings(event_), 0U);
  EXPECT_THAT(device_->writes(), ElementsAre(Access{0x50, 4, 1}));
}

TEST_F(DoorbellTest, ASecondDoorbellAtTheSamePlaceIsAnErrorThatNamesIt) {
  Must(guest_.vm().AddIoEvent({.address = kDoorbell}, event_));
  const Status second = guest_.vm().AddIoEvent({.address = kDoorbell}, event_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), ::testing::HasSubstr("0xd0000050"));
}

}  // namespace
}  // namespace ember
