// Every device against every offset and width, from both sides of its range.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <ostream>
#include <vector>

#include "devices/acpi_power.h"
#include "devices/boot_timer.h"
#include "devices/bus.h"
#include "devices/i8042.h"
#include "devices/panic_report.h"
#include "devices/serial.h"
#include "tests/base/fake_clock.h"
#include "tests/fakes/counting_interrupt_line.h"
#include "tests/fakes/recording_request_sink.h"
#include "tests/fakes/recording_serial_sink.h"
#include "tests/fakes/register_access.h"

namespace ember {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;

struct Surroundings {
  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  RecordingSerialSink sink;
  FakeClock clock;
};

struct DeviceCase {
  const char* name;
  uint64_t size_bytes;
  std::shared_ptr<BusDevice> (*make)(Surroundings& surroundings);
};

void PrintTo(const DeviceCase& device, std::ostream* out) { *out << device.name; }

class AccessTest : public ::testing::TestWithParam<DeviceCase> {
 protected:
  void SetUp() override {
    device_ = GetParam().make(surroundings_);
    ASSERT_TRUE(bus_.Insert({kBase, GetParam().size_bytes}, device_).has_value());
  }

  static constexpr uint64_t kBase = 0x1001;  // so that nothing is aligned
  static constexpr std::array<size_t, 4> kLengths{1, 2, 4, 8};

  Surroundings surroundings_;
  std::shared_ptr<BusDevice> device_;
  Bus bus_;
};

TEST_P(AccessTest, EveryWidthAtEveryOffsetIsAnsweredOrRefusedByItsEnd) {
  for (const size_t len : kLengths) {
    for (uint64_t offset = 0; offset <= GetParam().size_bytes; ++offset) {
      const bool inside = offset + len <= GetParam().size_bytes;
      std::vector<std::byte> bytes(len, std::byte{0xff});
      EXPECT_EQ(bus_.Read(kBase + offset, bytes), inside) << offset << " " << len;
      EXPECT_EQ(bus_.Write(kBase + offset, bytes), inside) << offset << " " << len;
    }
  }
}

TEST_P(AccessTest, JustOutsideThereIsNothing) {
  for (const size_t len : kLengths) {
    std::vector<std::byte> bytes(len, std::byte{0xff});
    for (const uint64_t address : {kBase - len, kBase + GetParam().size_bytes}) {
      EXPECT_FALSE(bus_.Read(address, bytes));
      EXPECT_FALSE(bus_.Write(address, bytes));
      EXPECT_THAT(bytes, Each(std::byte{0}));
    }
  }
}

TEST_P(AccessTest, AccessesOfMoreThanOneByteReadZeroAndDoNothing) {
  for (const size_t len : {2u, 4u, 8u}) {
    for (uint64_t offset = 0; offset + len <= GetParam().size_bytes; ++offset) {
      EXPECT_THAT(ReadBytes(*device_, offset, len), Each(std::byte{0})) << offset;
      for (const int value : {0x00, 0x03, 0x34, 0x7b, 0xfe, 0xff}) {
        WriteBytes(*device_, offset, len, value);
      }
    }
  }
  EXPECT_THAT(surroundings_.machine.requests(), IsEmpty());
  EXPECT_EQ(surroundings_.sink.text(), "");
  EXPECT_EQ(surroundings_.interrupt.count(), 0u);
}

TEST_P(AccessTest, ItHasAName) { EXPECT_FALSE(device_->name().empty()); }

INSTANTIATE_TEST_SUITE_P(
    Devices, AccessTest,
    ::testing::Values(DeviceCase{"Serial", Serial::kRegisterBytes,
                                 [](Surroundings& with) -> std::shared_ptr<BusDevice> {
                                   return std::make_shared<Serial>(with.interrupt, with.sink);
                                 }},
                      DeviceCase{"I8042", I8042::kRegisterBytes,
                                 [](Surroundings& with) -> std::shared_ptr<BusDevice> {
                                   return std::make_shared<I8042>(with.interrupt, with.machine);
                                 }},
                      DeviceCase{"AcpiSleep", AcpiSleepRegisters::kRegisterBytes,
                                 [](Surroundings& with) -> std::shared_ptr<BusDevice> {
                                   return std::make_shared<AcpiSleepRegisters>(with.machine);
                                 }},
                      DeviceCase{"AcpiEvents", AcpiEventRegister::kRegisterBytes,
                                 [](Surroundings& with) -> std::shared_ptr<BusDevice> {
                                   return std::make_shared<AcpiEventRegister>(with.interrupt);
                                 }},
                      DeviceCase{"PanicReport", PanicReport::kRegisterBytes,
                                 [](Surroundings& with) -> std::shared_ptr<BusDevice> {
                                   return std::make_shared<PanicReport>(with.machine);
                                 }},
                      DeviceCase{"BootTimer", BootTimer::kRegisterBytes,
                                 [](Surroundings& with) -> std::shared_ptr<BusDevice> {
                                   return std::make_shared<BootTimer>(with.clock, with.clock,
                                                                      BootTimer::Start{});
                                 }}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace ember
