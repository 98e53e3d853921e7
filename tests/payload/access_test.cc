#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/kvm/recording_device.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

using ::testing::ElementsAre;
using Access = RecordingDevice::Access;

constexpr uint16_t kPort = 0x600;
constexpr uint64_t kPattern = 0x8877'6655'4433'2211;

uint64_t Low(uint64_t value, Width width) {
  return width == Width::k64 ? value : value & ((uint64_t{1} << (8 * Bytes(width))) - 1);
}

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() {
    Must(guest_.pio().Insert({.base = kPort, .size_bytes = 8}, port_));
    Must(guest_.mmio().Insert({.base = PayloadGuest::kMmioAddress, .size_bytes = 0x1000}, mmio_));
  }

  void Run(PayloadCode& code) {
    const std::unique_ptr<kvm::Vcpu> vcpu = guest_.CreateVcpu(0, code.Finish());
    guest_.RunUntilDone(*vcpu);
  }

  PayloadGuest guest_;
  std::shared_ptr<RecordingDevice> port_ = std::make_shared<RecordingDevice>();
  std::shared_ptr<RecordingDevice> mmio_ = std::make_shared<RecordingDevice>();
};

TEST_F(AccessTest, OutOfEachWidthReachesTheDevice) {
  PayloadCode code;
  code.MovRdx(kPort + 4).MovRax(kPattern);
  code.Out(Width::k8).Out(Width::k16).Out(Width::k32);
  Run(code);
  EXPECT_THAT(port_->writes(),
              ElementsAre(Access{4, 1, 0x11}, Access{4, 2, 0x2211}, Access{4, 4, 0x4433'2211}));
}

TEST_F(AccessTest, InOfEachWidthReturnsTheDevicesAnswer) {
  for (const Width width : {Width::k8, Width::k16, Width::k32}) {
    SCOPED_TRACE(Bytes(width));
    PayloadGuest guest;
    const auto device = std::make_shared<RecordingDevice>();
    Must(guest.pio().Insert({.base = kPort, .size_bytes = 8}, device));
    device->AnswerWith(kPattern);
    PayloadCode code;
    code.MovRdx(kPort).MovRax(0).In(width);
    code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64).Finish();
    const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateVcpu(0, code);
    guest.RunUntilDone(*vcpu);
    EXPECT_EQ(guest.ReadData(), Low(kPattern, width));
  }
}

TEST_F(AccessTest, StringOutPassesEachElement) {
  Must(guest_.memory().Write(PayloadGuest::kData, std::array<uint16_t, 3>{7, 8, 9}));
  PayloadCode code;
  code.MovRdx(kPort).MovRsi(ToInteger(PayloadGuest::kData)).MovRcx(3).RepOuts(Width::k16);
  Run(code);
  EXPECT_THAT(port_->writes(), ElementsAre(Access{0, 2, 7}, Access{0, 2, 8}, Access{0, 2, 9}));
}

TEST_F(AccessTest, StringInFillsMemoryElementByElement) {
  port_->AnswerWith(5);
  PayloadCode code;
  code.MovRdx(kPort).MovRdi(ToInteger(PayloadGuest::kData)).MovRcx(4).RepIns(Width::k8);
  Run(code);
  EXPECT_EQ(guest_.ReadData(), 0x0807'0605U);
}

TEST_F(AccessTest, MmioWriteOfEachWidthReachesTheDevice) {
  PayloadCode code;
  code.MovRbx(PayloadGuest::kMmioAddress + 8).MovRax(kPattern);
  code.StoreAtRbx(Width::k8).StoreAtRbx(Width::k16).StoreAtRbx(Width::k32).StoreAtRbx(Width::k64);
  Run(code);
  EXPECT_THAT(mmio_->writes(), ElementsAre(Access{8, 1, 0x11}, Access{8, 2, 0x2211},
                                           Access{8, 4, 0x4433'2211}, Access{8, 8, kPattern}));
}

TEST_F(AccessTest, MmioReadOfEachWidthReturnsTheDevicesAnswer) {
  for (const Width width : {Width::k8, Width::k16, Width::k32, Width::k64}) {
    SCOPED_TRACE(Bytes(width));
    PayloadGuest guest;
    const auto device = std::make_shared<RecordingDevice>();
    Must(guest.mmio().Insert({.base = PayloadGuest::kMmioAddress, .size_bytes = 8}, device));
    device->AnswerWith(kPattern);
    PayloadCode code;
    code.MovRbx(PayloadGuest::kMmioAddress).MovRax(0).LoadFromRbx(width);
    code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64).Finish();
    const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateVcpu(0, code);
    guest.RunUntilDone(*vcpu);
    EXPECT_EQ(guest.ReadData(), Low(kPattern, width));
  }
}

TEST_F(AccessTest, MmioThatCrossesAPageIsUnclaimedInBothParts) {
  PayloadCode code;
  code.MovRbx(PayloadGuest::kMmioAddress + 0x1000 - 3).MovRax(kPattern).StoreAtRbx(Width::k64);
  Run(code);
  EXPECT_THAT(mmio_->writes(), ::testing::IsEmpty());
  EXPECT_EQ(guest_.metrics().unclaimed_accesses.value(), 2U);
}

TEST_F(AccessTest, UnclaimedPortAndMmioReadAsAllOnes) {
  PayloadCode code;
  code.MovRdx(0x500).MovRax(0).In(Width::k32);
  code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64);
  code.MovRbx(PayloadGuest::kMmioAddress + 0x10'0000).MovRax(0).LoadFromRbx(Width::k64);
  code.MovRbx(ToInteger(PayloadGuest::kData) + 8).StoreAtRbx(Width::k64);
  Run(code);
  EXPECT_EQ(guest_.ReadData(), 0xffff'ffffU);
  EXPECT_EQ(guest_.ReadData(PayloadGuest::kData + 8), 0xffff'ffff'ffff'ffffU);
  EXPECT_EQ(guest_.metrics().unclaimed_accesses.value(), 2U);
}

}  // namespace
}  // namespace ember
