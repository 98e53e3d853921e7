#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <misc/pvpanic.h>

#include "devices/acpi_power.h"
#include "devices/boot_timer.h"
#include "devices/panic_report.h"
#include "tests/base/fake_clock.h"
#include "tests/fakes/counting_interrupt_line.h"
#include "tests/fakes/recording_request_sink.h"
#include "tests/fakes/register_access.h"

namespace ember {
namespace {

using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kSleepEnable = 0x20;

TEST(AcpiSleepTest, EnteringS5PowersOff) {
  RecordingRequestSink machine;
  AcpiSleepRegisters registers(machine);
  // Linux clears the wake status first (drivers/acpi/acpica/hwesleep.c).
  Out(registers, AcpiSleepRegisters::kStatusOffset, 0x80);
  Out(registers, AcpiSleepRegisters::kControlOffset, kAcpiSleepTypeS5 << 2);
  EXPECT_THAT(machine.requests(), IsEmpty());
  Out(registers, AcpiSleepRegisters::kControlOffset, kAcpiSleepTypeS5 << 2 | kSleepEnable);
  EXPECT_THAT(machine.requests(), ElementsAre(VmRequest::kPowerOff));
}

TEST(AcpiSleepTest, OtherSleepTypesAreCountedAndIgnored) {
  RecordingRequestSink machine;
  AcpiSleepRegisters registers(machine);
  for (int type = 0; type < 8; ++type) {
    if (type == kAcpiSleepTypeS5) continue;
    Out(registers, AcpiSleepRegisters::kControlOffset, type << 2 | kSleepEnable);
  }
  EXPECT_THAT(machine.requests(), IsEmpty());
  EXPECT_EQ(registers.metrics().bad_writes.value(), 7u);
}

TEST(AcpiSleepTest, TheMachineNeverWakes) {
  RecordingRequestSink machine;
  AcpiSleepRegisters registers(machine);
  Out(registers, AcpiSleepRegisters::kStatusOffset, 0xff);
  EXPECT_EQ(In(registers, AcpiSleepRegisters::kStatusOffset), 0);
  EXPECT_EQ(In(registers, AcpiSleepRegisters::kControlOffset), 0);
}

TEST(AcpiEventTest, ThePowerButtonInterruptsAndIsReadOnce) {
  CountingInterruptLine interrupt;
  AcpiEventRegister events(interrupt);
  EXPECT_EQ(In(events, 0), 0);
  events.PressPowerButton();
  EXPECT_EQ(interrupt.count(), 1u);
  EXPECT_EQ(In(events, 0), AcpiEventRegister::kPowerButton);
  EXPECT_EQ(In(events, 0), 0);
}

TEST(AcpiEventTest, ANewGenerationComesBesideThePowerButton) {
  CountingInterruptLine interrupt;
  AcpiEventRegister events(interrupt);
  events.PressPowerButton();
  events.AnnounceGeneration();
  EXPECT_EQ(interrupt.count(), 2u);
  EXPECT_EQ(In(events, 0), AcpiEventRegister::kPowerButton | AcpiEventRegister::kNewGeneration);
}

TEST(AcpiEventTest, AGuestCannotPressIt) {
  CountingInterruptLine interrupt;
  AcpiEventRegister events(interrupt);
  Out(events, 0, 0xff);
  EXPECT_EQ(In(events, 0), 0);
  EXPECT_EQ(interrupt.count(), 0u);
}

TEST(AcpiEventTest, ARestoredRegisterStillHasTheEvent) {
  CountingInterruptLine interrupt;
  AcpiEventRegister events(interrupt);
  events.PressPowerButton();
  AcpiEventRegister restored(interrupt, events.Save());
  EXPECT_EQ(In(restored, 0), AcpiEventRegister::kPowerButton);
}

TEST(PanicReportTest, ItSaysWhichReportsItTakes) {
  RecordingRequestSink machine;
  PanicReport report(machine);
  EXPECT_EQ(In(report, 0), PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
}

TEST(PanicReportTest, ReportsReachTheMachine) {
  RecordingRequestSink machine;
  PanicReport report(machine);
  Out(report, 0, PVPANIC_PANICKED);
  Out(report, 0, PVPANIC_CRASH_LOADED);
  EXPECT_THAT(machine.requests(),
              ElementsAre(VmRequest::kGuestPanicked, VmRequest::kGuestCrashLoaded));
}

TEST(PanicReportTest, UnknownReportsAreIgnored) {
  RecordingRequestSink machine;
  PanicReport report(machine);
  Out(report, 0, 0xfc);
  Out(report, 0, 0);
  EXPECT_THAT(machine.requests(), IsEmpty());
}

struct TimedBoot {
  FakeClock wall;
  FakeClock cpu;
  BootTimer timer{wall, cpu, {.wall = microseconds(100), .cpu = microseconds(0)}};
};

TEST(BootTimerTest, TheMagicByteStopsTheTimer) {
  TimedBoot boot;
  EXPECT_FALSE(boot.timer.boot_time().has_value());
  boot.wall.Advance(microseconds(4200));
  Out(boot.timer, 0, BootTimer::kBooted);
  EXPECT_EQ(boot.timer.boot_time(), microseconds(4100));
}

TEST(BootTimerTest, OnlyTheFirstWriteCounts) {
  TimedBoot boot;
  boot.wall.Advance(microseconds(200));
  Out(boot.timer, 0, BootTimer::kBooted);
  boot.wall.Advance(microseconds(200));
  Out(boot.timer, 0, BootTimer::kBooted);
  EXPECT_EQ(boot.timer.boot_time(), microseconds(100));
}

TEST(BootTimerTest, OtherValuesPlacesAndWidthsDoNotStopIt) {
  TimedBoot boot;
  for (int value = 0; value < 256; ++value) {
    if (value != BootTimer::kBooted) Out(boot.timer, 0, value);
  }
  Out(boot.timer, 1, BootTimer::kBooted);
  for (const size_t len : {2u, 4u, 8u}) WriteBytes(boot.timer, 0, len, BootTimer::kBooted);
  EXPECT_FALSE(boot.timer.boot_time().has_value());
  EXPECT_EQ(In(boot.timer, 0), 0);
}

TEST(BootTimerTest, AStartInTheFutureCountsAsNow) {
  FakeClock clock;
  BootTimer timer(clock, clock, {.wall = microseconds(5), .cpu = microseconds(5)});
  Out(timer, 0, BootTimer::kBooted);
  EXPECT_EQ(timer.boot_time(), microseconds(0));
}

}  // namespace
}  // namespace ember
