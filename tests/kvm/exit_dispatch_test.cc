#include "kvm/exit_dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "base/clock.h"
#include "devices/bus.h"
#include "tests/kvm/fabricated_run.h"
#include "tests/kvm/recording_device.h"

namespace ember::kvm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Access = RecordingDevice::Access;

constexpr uint16_t kPort = 0x3f8;
constexpr uint64_t kMmioBase = 0xd000'0000;

class ExitDispatchTest : public ::testing::Test {
 protected:
  ExitDispatchTest() {
    EXPECT_TRUE(pio_.Insert({.base = kPort, .size_bytes = 8}, port_device_));
    EXPECT_TRUE(mmio_.Insert({.base = kMmioBase, .size_bytes = 0x1000}, mmio_device_));
  }

  std::optional<StopReason> Dispatch() {
    return DispatchExit(fake_.area(), mmio_, pio_, ExitClock(0), metrics_);
  }
  std::optional<StopReason> DispatchReason(uint32_t exit_reason) {
    fake_.run().exit_reason = exit_reason;
    return Dispatch();
  }

  FabricatedRun fake_;
  std::shared_ptr<RecordingDevice> port_device_ = std::make_shared<RecordingDevice>();
  std::shared_ptr<RecordingDevice> mmio_device_ = std::make_shared<RecordingDevice>();
  Bus mmio_;
  Bus pio_;
  VcpuMetrics metrics_;
};

TEST_F(ExitDispatchTest, OutReachesTheDeviceWithItsOffsetSizeAndValue) {
  fake_.SetPio(KVM_EXIT_IO_OUT, kPort + 2, 2, {0x34, 0x12});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(port_device_->writes(), ElementsAre(Access{2, 2, 0x1234}));
  EXPECT_EQ(metrics_.exit_io_out.value(), 1U);
  EXPECT_EQ(metrics_.exit_io_in.value(), 0U);
}

TEST_F(ExitDispatchTest, EachKindOfAccessIsTimedByItself) {
  fake_.SetPio(KVM_EXIT_IO_OUT, kPort, 1, {0});
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) Dispatch();
  const auto passed = std::chrono::steady_clock::now() - before;
  EXPECT_GT(metrics_.exit_io_out_agg.sum_us(), 0u);
  EXPECT_LE(std::chrono::microseconds(metrics_.exit_io_out_agg.sum_us()), passed);
  EXPECT_LE(metrics_.exit_io_out_agg.max_us(), metrics_.exit_io_out_agg.sum_us());
  for (const LatencyAggregate* other :
       {&metrics_.exit_io_in_agg, &metrics_.exit_mmio_read_agg, &metrics_.exit_mmio_write_agg}) {
    EXPECT_EQ(other->sum_us(), 0u);
  }
}

TEST(ExitClockTest, TimeDoesNotGoBackWhateverTheRate) {
  for (const uint64_t khz : {uint64_t{1'000'000}, uint64_t{5'000'000}}) {
    const ExitClock clock(khz);
    const uint64_t begin = clock.Now();
    const auto first = clock.Since(begin);
    const auto second = clock.Since(begin);
    EXPECT_GE(first.count(), 0);
    EXPECT_GE(second, first);
    EXPECT_EQ(clock.Since(begin + (uint64_t{1} << 40)).count(), 0) << "a counter that is behind";
  }
}

TEST(ExitClockTest, WithoutARateItIsTheHostsClock) {
  const ExitClock clock(0);
  const uint64_t begin = clock.Now();
  const auto since = clock.Since(begin);
  EXPECT_LE(std::chrono::nanoseconds(begin) + since, MonotonicClock().Now());
  EXPECT_GE(since.count(), 0);
}

TEST_F(ExitDispatchTest, InReturnsTheDevicesAnswer) {
  port_device_->AnswerWith(0x89abcdef);
  fake_.SetPio(KVM_EXIT_IO_IN, kPort, 4, {0, 0, 0, 0});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(fake_.PioData(4), ElementsAre(0xef, 0xcd, 0xab, 0x89));
  EXPECT_EQ(metrics_.exit_io_in.value(), 1U);
}

TEST_F(ExitDispatchTest, StringOutWritesEachElementToTheSamePort) {
  fake_.SetPio(KVM_EXIT_IO_OUT, kPort, 2, {1, 0, 2, 0, 3, 0});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(port_device_->writes(),
              ElementsAre(Access{0, 2, 1}, Access{0, 2, 2}, Access{0, 2, 3}));
  EXPECT_EQ(metrics_.exit_io_out.value(), 1U);
}

TEST_F(ExitDispatchTest, StringInReadsEachElementFromTheSamePort) {
  port_device_->AnswerWith(7);
  fake_.SetPio(KVM_EXIT_IO_IN, kPort + 1, 1, {0, 0, 0});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(fake_.PioData(3), ElementsAre(7, 8, 9));
  EXPECT_THAT(port_device_->reads(),
              ElementsAre(Access{1, 1, 7}, Access{1, 1, 8}, Access{1, 1, 9}));
}

TEST_F(ExitDispatchTest, StringThatFillsTheAreaToItsEndIsAnswered) {
  fake_.SetPio(KVM_EXIT_IO_IN, kPort, 1,
               std::vector<uint8_t>(FabricatedRun::kBytes - FabricatedRun::kDataOffset));
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_EQ(port_device_->reads().size(), FabricatedRun::kBytes - FabricatedRun::kDataOffset);
}

TEST_F(ExitDispatchTest, ReadOfAnUnclaimedPortGetsAllOnesAndIsCounted) {
  fake_.SetPio(KVM_EXIT_IO_IN, 0x80, 4, {0, 0, 0, 0});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(fake_.PioData(4), ElementsAre(0xff, 0xff, 0xff, 0xff));
  EXPECT_EQ(metrics_.unclaimed_accesses.value(), 1U);
}

TEST_F(ExitDispatchTest, WriteToAnUnclaimedPortIsDroppedAndCounted) {
  fake_.SetPio(KVM_EXIT_IO_OUT, 0x80, 1, {1});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_EQ(metrics_.unclaimed_accesses.value(), 1U);
  EXPECT_EQ(metrics_.failures.value(), 0U);
}

TEST_F(ExitDispatchTest, AccessThatRunsOverTheEndOfADeviceIsUnclaimed) {
  fake_.SetPio(KVM_EXIT_IO_IN, kPort + 7, 2, {0, 0});
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(fake_.PioData(2), ElementsAre(0xff, 0xff));
  EXPECT_THAT(port_device_->reads(), IsEmpty());
}

TEST_F(ExitDispatchTest, PortAndMmioAddressesAreApart) {
  fake_.SetMmio(kPort, 1, true, 1);
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_THAT(port_device_->writes(), IsEmpty());
  EXPECT_EQ(metrics_.unclaimed_accesses.value(), 1U);
}

TEST_F(ExitDispatchTest, MmioWriteOfEachWidthPassesThatManyBytes) {
  for (const uint32_t len : {1U, 2U, 4U, 8U}) {
    fake_.SetMmio(kMmioBase + 0x10, len, true, 0x8877'6655'4433'2211);
    EXPECT_EQ(Dispatch(), std::nullopt);
  }
  EXPECT_THAT(mmio_device_->writes(),
              ElementsAre(Access{0x10, 1, 0x11}, Access{0x10, 2, 0x2211},
                          Access{0x10, 4, 0x4433'2211}, Access{0x10, 8, 0x8877'6655'4433'2211}));
  EXPECT_EQ(metrics_.exit_mmio_write.value(), 4U);
  EXPECT_EQ(metrics_.exit_mmio_read.value(), 0U);
}

TEST_F(ExitDispatchTest, MmioReadTouchesNoByteBeyondItsWidth) {
  mmio_device_->AnswerWith(0x8877'6655'4433'2211);
  fake_.SetMmio(kMmioBase, 2, false, 0xeeee'eeee'eeee'eeee);
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_EQ(fake_.MmioData(), 0xeeee'eeee'eeee'2211);
  EXPECT_EQ(metrics_.exit_mmio_read.value(), 1U);
}

TEST_F(ExitDispatchTest, UnclaimedMmioReadGetsAllOnes) {
  fake_.SetMmio(std::numeric_limits<uint64_t>::max(), 8, false, 0);
  EXPECT_EQ(Dispatch(), std::nullopt);
  EXPECT_EQ(fake_.MmioData(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(metrics_.unclaimed_accesses.value(), 1U);
}

TEST_F(ExitDispatchTest, MmioOfOddLengthIsUnclaimed) {
  for (const uint32_t len : {3U, 5U, 6U, 7U}) {
    fake_.SetMmio(kMmioBase, len, false, 0);
    EXPECT_EQ(Dispatch(), std::nullopt);
    EXPECT_EQ(fake_.MmioData(), (uint64_t{1} << (8 * len)) - 1) << len;
  }
  EXPECT_THAT(mmio_device_->reads(), IsEmpty());
  EXPECT_EQ(metrics_.unclaimed_accesses.value(), 4U);
}

TEST_F(ExitDispatchTest, AnInterruptedRunGoesOn) {
  EXPECT_EQ(DispatchReason(KVM_EXIT_INTR), std::nullopt);
  EXPECT_EQ(metrics_.failures.value(), 0U);
}

TEST_F(ExitDispatchTest, EachEndHasItsReasonAndIsCounted) {
  EXPECT_EQ(DispatchReason(KVM_EXIT_HLT), StopReason::kHalt);
  EXPECT_EQ(DispatchReason(KVM_EXIT_SHUTDOWN), StopReason::kTripleFault);
  EXPECT_EQ(DispatchReason(KVM_EXIT_INTERNAL_ERROR), StopReason::kInternalError);
  EXPECT_EQ(DispatchReason(KVM_EXIT_FAIL_ENTRY), StopReason::kEntryFailure);
  EXPECT_EQ(DispatchReason(KVM_EXIT_UNKNOWN), StopReason::kUnexpectedExit);
  EXPECT_EQ(DispatchReason(KVM_EXIT_IRQ_WINDOW_OPEN), StopReason::kUnexpectedExit);
  EXPECT_EQ(DispatchReason(0xffff'ffff), StopReason::kUnexpectedExit);
  EXPECT_EQ(metrics_.failures.value(), 7U);
}

TEST_F(ExitDispatchTest, SystemEventsSayWhatTheGuestAskedFor) {
  const auto event = [this](uint32_t type) {
    fake_.run().system_event.type = type;
    return DispatchReason(KVM_EXIT_SYSTEM_EVENT);
  };
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_SHUTDOWN), StopReason::kGuestShutdown);
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_RESET), StopReason::kGuestReset);
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_CRASH), StopReason::kGuestCrash);
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_SUSPEND), StopReason::kUnexpectedExit);
}

TEST_F(ExitDispatchTest, MmioLongerThanItsDataIsAHostFailure) {
  for (const uint32_t len : {0U, 9U, 0xffff'ffffU}) {
    fake_.SetMmio(kMmioBase, len, true);
    EXPECT_EQ(Dispatch(), StopReason::kHostFailure) << len;
  }
  EXPECT_THAT(mmio_device_->writes(), IsEmpty());
}

TEST_F(ExitDispatchTest, PortDataOutsideTheRunAreaIsAHostFailure) {
  const struct {
    uint8_t size;
    uint32_t count;
    uint64_t offset;
  } kCases[] = {{0, 1, 4096},   {1, 0, 4096},    {5, 1, 4096},
                {255, 1, 4096}, {1, 4097, 4096}, {4, 0xffff'ffff, 0},
                {1, 1, 8192},   {2, 1, 8191},    {1, 1, std::numeric_limits<uint64_t>::max()}};
  for (const auto& bad : kCases) {
    fake_.run().exit_reason = KVM_EXIT_IO;
    fake_.run().io.direction = KVM_EXIT_IO_OUT;
    fake_.run().io.port = kPort;
    fake_.run().io.size = bad.size;
    fake_.run().io.count = bad.count;
    fake_.run().io.data_offset = bad.offset;
    EXPECT_EQ(Dispatch(), StopReason::kHostFailure)
        << int{bad.size} << " x " << bad.count << " at " << bad.offset;
  }
  EXPECT_THAT(port_device_->writes(), IsEmpty());
}

}  // namespace
}  // namespace ember::kvm
