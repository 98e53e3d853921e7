// The configuration space, resets and breaches as the driver sees them (shared/virtio.md, 13 and
// 14).
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "tests/virtio/mmio_fixture.h"

namespace ember::virtio::testing {
namespace {

class MmioConfigTest : public MmioTransportTest {
 protected:
  MmioConfigTest() {
    for (size_t i = 0; i < device.config.size(); ++i) {
      device.config[i] = static_cast<std::byte>(i + 1);
    }
  }
  // What any access should give: the bytes of the space, zeros past its end.
  uint64_t Expected(uint64_t offset, size_t width) const {
    uint64_t value = 0;
    for (size_t i = 0; i < width && offset + i < device.config.size(); ++i) {
      value |= std::to_integer<uint64_t>(device.config[offset + i]) << (8 * i);
    }
    return value;
  }
};

TEST_F(MmioConfigTest, ReadsEveryWidthAtEveryOffset) {
  for (uint64_t offset = 0; offset < 24; ++offset) {
    for (const size_t width : {1U, 2U, 4U, 8U}) {
      EXPECT_EQ(driver.ReadWide(reg::kConfig + offset, width), Expected(offset, width))
          << offset << ' ' << width;
    }
  }
}

TEST_F(MmioConfigTest, ReadsZeroUpToTheEndOfThePage) {
  for (const size_t width : {1U, 2U, 4U, 8U}) {
    EXPECT_EQ(driver.ReadWide(MmioTransport::kSizeBytes - width, width), 0U);
  }
}

TEST_F(MmioConfigTest, PassesWritesToTheDevice) {
  driver.Acknowledge();
  driver.WriteWide(reg::kConfig + 1, 0xbeef, 2);
  EXPECT_EQ(driver.ReadWide(reg::kConfig, 4), 0x04beef01U);
}

TEST_F(MmioConfigTest, IgnoresWritesBeforeDriver) {
  driver.Write(reg::kStatus, kAcknowledge);
  driver.Write(reg::kConfig, 0);
  EXPECT_EQ(device.config_writes, 0);
}

TEST_F(MmioConfigTest, TakesANewGenerationWithEachChange) {
  const uint32_t before = driver.Read(reg::kConfigGeneration);
  EXPECT_EQ(driver.Read(reg::kConfigGeneration), before);
  rig.state().ConfigChanged();
  EXPECT_NE(driver.Read(reg::kConfigGeneration), before);
}

TEST_F(MmioConfigTest, TellsOnlyADriverThatIsUp) {
  rig.state().ConfigChanged();
  EXPECT_EQ(rig.line.count(), 0);
  Start();
  rig.state().ConfigChanged();
  EXPECT_EQ(rig.line.count(), 1);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 2U);
}

class MmioResetTest : public MmioTransportTest {};

TEST_F(MmioResetTest, ClearsAllOfTheDriversState) {
  Start();
  device.driver().UsedBuffers(QueueIndex{0});
  driver.Write(reg::kStatus, 0);
  EXPECT_EQ(driver.status(), 0U);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 0U);
  EXPECT_EQ(driver.Read(reg::kQueueReady), 0U);
  EXPECT_EQ(device.resets, 1);
}

TEST_F(MmioResetTest, DoesNotResetADeviceThatIsNotActive) {
  driver.Negotiate(kVersion1Feature);
  driver.Write(reg::kStatus, 0);
  EXPECT_EQ(device.resets, 0);
}

TEST_F(MmioResetTest, TouchesNothingAfterwards) {
  Start();
  const Segment data{rig.ram.Allocate(8), 8, true};
  ring.Add({data});
  ring.Publish();
  driver.Notify(0);
  driver.Write(reg::kStatus, 0);
  EXPECT_EQ(rig.Pump(), 1);
  EXPECT_EQ(ring.used_index(), 0);
  EXPECT_EQ(rig.ram.Bytes(data.at, 8)[0], std::byte{0});
}

TEST_F(MmioResetTest, LetsTheDriverStartAgainWithOtherRings) {
  Start();
  driver.Write(reg::kStatus, 0);
  DriverRing other(rig.ram, 8, true);
  driver.Start(kVersion1Feature | kEventIndexFeature64, other.place());
  other.Add({Segment{rig.ram.Allocate(8), 8, true}});
  EXPECT_TRUE(other.Publish());
  driver.Notify(0);
  rig.Pump();
  EXPECT_TRUE(other.TakeUsed());
  EXPECT_EQ(device.activations, 2);
}

TEST_F(MmioResetTest, StartsAgainAThousandTimes) {
  for (int i = 0; i < 1000; ++i) {
    DriverRing fresh(rig.ram.memory(), ring.place());
    fresh.StartAt(0);
    driver.Start(kVersion1Feature, fresh.place());
    fresh.Add({Segment{GuestAddress{0x100}, 8, true}});
    fresh.Publish();
    driver.Notify(0);
    rig.Pump();
    ASSERT_TRUE(fresh.TakeUsed()) << i;
  }
  EXPECT_EQ(device.resets, 999);
}

class MmioBreachTest : public MmioTransportTest {
 protected:
  void BreakQueue() {
    ring.Offer(99);
    ring.Publish();
    driver.Notify(0);
    rig.Pump();
  }
};

TEST_F(MmioBreachTest, SetsNeedsResetAndTellsTheDriver) {
  Start();
  BreakQueue();
  EXPECT_EQ(driver.status() & kNeedsReset, kNeedsReset);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus) & 2, 2U);
  EXPECT_EQ(rig.state().metrics().breaches.value(), 1U);
}

TEST_F(MmioBreachTest, StopsWorkUntilReset) {
  Start();
  BreakQueue();
  const int notifications = device.notifications;
  driver.Notify(0);
  rig.Pump();
  EXPECT_EQ(device.notifications, notifications);
  EXPECT_EQ(rig.state().metrics().breaches.value(), 1U);
}

TEST_F(MmioBreachTest, KeepsNeedsResetWhateverStatusIsWritten) {
  Start();
  BreakQueue();
  const uint32_t broken = driver.status();
  for (uint32_t value = 1; value < 0x80; ++value) {
    driver.Write(reg::kStatus, value);
    ASSERT_EQ(driver.status(), broken);
  }
  driver.Write(reg::kStatus, (broken | kFailed) & ~kNeedsReset);
  EXPECT_EQ(driver.status(), broken | kFailed);
}

TEST_F(MmioBreachTest, LivesOnAfterReset) {
  Start();
  BreakQueue();
  DriverRing fresh(rig.ram, 16);
  driver.Start(kVersion1Feature, fresh.place());
  EXPECT_EQ(driver.status() & kNeedsReset, 0U);
  fresh.Add({Segment{rig.ram.Allocate(8), 8, true}});
  fresh.Publish();
  driver.Notify(0);
  rig.Pump();
  EXPECT_TRUE(fresh.TakeUsed());
}

}  // namespace
}  // namespace ember::virtio::testing
