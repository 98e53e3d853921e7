#include "virtio/mmio_transport.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

#include "devices/bus.h"
#include "tests/virtio/mmio_fixture.h"

namespace ember::virtio::testing {
namespace {

TEST_F(MmioTransportTest, SaysWhatItIs) {
  EXPECT_EQ(driver.Read(reg::kMagic), 0x74726976U);
  EXPECT_EQ(driver.Read(reg::kVersion), 2U);
  EXPECT_EQ(driver.Read(reg::kDeviceId), 4U);
  EXPECT_EQ(driver.Read(reg::kVendorId), 0x52424d45U);
  EXPECT_EQ(rig.transport->name(), "virtio-mmio fake");
}

TEST_F(MmioTransportTest, IsReachedThroughABus) {
  Bus bus;
  ASSERT_TRUE(bus.Insert({0xd0000000, MmioTransport::kSizeBytes}, rig.transport).has_value());
  std::array<std::byte, 4> magic{};
  EXPECT_TRUE(bus.Read(0xd0000000, magic));
  EXPECT_EQ(magic[0], std::byte{'v'});
}

TEST_F(MmioTransportTest, OffersTheDevicesFeaturesAndItsOwn) {
  EXPECT_EQ(driver.DeviceFeatures(), FakeDevice::kFeatures.bits() | kIndirectFeature |
                                         kEventIndexFeature64 | kVersion1Feature);
}

TEST_F(MmioTransportTest, OffersNothingFromFeatureWord2On) {
  for (const uint32_t word : {2U, 3U, 32U, 0x80000000U, 0xffffffffU}) {
    driver.Write(reg::kDeviceFeaturesSel, word);
    EXPECT_EQ(driver.Read(reg::kDeviceFeatures), 0U) << word;
  }
}

TEST_F(MmioTransportTest, TakesASubsetOfTheFeaturesWithVersion1) {
  EXPECT_TRUE(driver.Negotiate(kVersion1Feature));
  EXPECT_TRUE(driver.Negotiate(kVersion1Feature | 1));
  EXPECT_TRUE(driver.Negotiate(driver.DeviceFeatures()));
}

TEST_F(MmioTransportTest, KeepsFeaturesOkClearWithoutVersion1) {
  EXPECT_FALSE(driver.Negotiate(0));
  EXPECT_FALSE(driver.Negotiate(driver.DeviceFeatures() & ~kVersion1Feature));
}

TEST_F(MmioTransportTest, KeepsFeaturesOkClearForEachBitNotOffered) {
  const uint64_t offered = driver.DeviceFeatures();
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t feature = uint64_t{1} << bit;
    EXPECT_EQ(driver.Negotiate(kVersion1Feature | feature), (offered & feature) != 0) << bit;
  }
}

TEST_F(MmioTransportTest, KeepsFeaturesOkClearForABitAbove63) {
  driver.Acknowledge();
  driver.WriteFeatures(kVersion1Feature);
  driver.Write(reg::kDriverFeaturesSel, 2);
  driver.Write(reg::kDriverFeatures, 1);
  driver.AddStatus(kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver);
}

TEST_F(MmioTransportTest, TakesZerosAbove63) {
  driver.Acknowledge();
  driver.WriteFeatures(kVersion1Feature);
  driver.Write(reg::kDriverFeaturesSel, 3);
  driver.Write(reg::kDriverFeatures, 0);
  driver.AddStatus(kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver | kFeaturesOk);
}

TEST_F(MmioTransportTest, LetsTheDriverTryOtherFeaturesWithoutAReset) {
  driver.Acknowledge();
  driver.WriteFeatures(kVersion1Feature | 2);
  driver.AddStatus(kFeaturesOk);
  ASSERT_EQ(driver.status(), kAcknowledge | kDriver);
  driver.WriteFeatures(kVersion1Feature);
  driver.AddStatus(kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver | kFeaturesOk);
}

TEST_F(MmioTransportTest, IgnoresFeaturesBeforeDriver) {
  driver.Write(reg::kStatus, 0);
  driver.AddStatus(kAcknowledge);
  driver.WriteFeatures(kVersion1Feature);
  driver.AddStatus(kDriver);
  driver.AddStatus(kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver);
}

TEST_F(MmioTransportTest, IgnoresFeaturesAfterFeaturesOk) {
  ASSERT_TRUE(driver.Negotiate(kVersion1Feature));
  driver.WriteFeatures(kVersion1Feature | 1);
  driver.EnableQueue(0, ring.place());
  driver.AddStatus(kDriverOk);
  EXPECT_EQ(device.features.bits(), kVersion1Feature);
}

TEST_F(MmioTransportTest, ForgetsFeaturesOnReset) {
  driver.Acknowledge();
  driver.WriteFeatures(kVersion1Feature);
  driver.Acknowledge();
  driver.AddStatus(kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver);
}

TEST_F(MmioTransportTest, GivesTheDeviceTheNegotiatedFeatures) {
  Start(kVersion1Feature | 1 | kIndirectFeature);
  EXPECT_EQ(device.features.bits(), kVersion1Feature | 1 | kIndirectFeature);
}

TEST_F(MmioTransportTest, GainsStatusBitsInOrderOnly) {
  driver.Write(reg::kStatus, kDriver);
  EXPECT_EQ(driver.status(), 0U);
  driver.Write(reg::kStatus, kFeaturesOk);
  EXPECT_EQ(driver.status(), 0U);
  driver.Write(reg::kStatus, kDriverOk);
  EXPECT_EQ(driver.status(), 0U);
  driver.Write(reg::kStatus, kAcknowledge | kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge);
}

TEST_F(MmioTransportTest, GainsSeveralStatusBitsAtOnce) {
  driver.Write(reg::kStatus, kAcknowledge | kDriver);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver);
  driver.WriteFeatures(kVersion1Feature);
  driver.Write(reg::kStatus, kAcknowledge | kDriver | kFeaturesOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver | kFeaturesOk);
}

TEST_F(MmioTransportTest, LosesNoStatusBit) {
  Start();
  const uint32_t full = driver.status();
  for (const uint32_t bit : {kAcknowledge, kDriver, kFeaturesOk, kDriverOk}) {
    driver.Write(reg::kStatus, full & ~bit);
    EXPECT_EQ(driver.status(), full);
  }
}

TEST_F(MmioTransportTest, IgnoresStatusBitsThatDoNotExist) {
  for (const uint32_t bits : {0x10U, 0x20U, 0x100U, 0x80000000U, 0xffffff00U}) {
    const uint64_t before = ignored();
    driver.Write(reg::kStatus, bits | kAcknowledge);
    EXPECT_EQ(driver.status(), 0U) << bits;
    EXPECT_EQ(ignored(), before + 1);
  }
}

TEST_F(MmioTransportTest, DoesNotLetTheDriverSetNeedsReset) {
  driver.Write(reg::kStatus, kAcknowledge | kNeedsReset);
  EXPECT_EQ(driver.status(), kAcknowledge);
}

TEST_F(MmioTransportTest, GainsNothingAfterFailedUntilReset) {
  driver.Write(reg::kStatus, kAcknowledge);
  driver.AddStatus(kFailed);
  driver.AddStatus(kDriver);
  EXPECT_EQ(driver.status(), kAcknowledge | kFailed);
  driver.Write(reg::kStatus, 0);
  EXPECT_EQ(driver.status(), 0U);
}

TEST_F(MmioTransportTest, SaysHowLargeItsQueuesMayBe) {
  const uint32_t expected[] = {16, 4, 0, 0};
  const uint32_t selected[] = {0, 1, 2, 0xffffffff};
  for (int i = 0; i < 4; ++i) {
    driver.Write(reg::kQueueSel, selected[i]);
    EXPECT_EQ(driver.Read(reg::kQueueNumMax), expected[i]);
  }
}

TEST_F(MmioTransportTest, IgnoresQueueRegistersBeforeFeaturesOk) {
  driver.Acknowledge();
  EXPECT_FALSE(driver.EnableQueue(0, ring.place()));
  driver.WriteFeatures(kVersion1Feature);
  driver.AddStatus(kFeaturesOk);
  driver.Write(reg::kQueueReady, 1);  // nothing of what came before is there
  EXPECT_EQ(driver.Read(reg::kQueueReady), 0U);
}

TEST_F(MmioTransportTest, IgnoresQueueRegistersAfterDriverOk) {
  Start();
  EXPECT_FALSE(driver.EnableQueue(1, DriverRing(rig.ram, 4).place()));
  driver.Write(reg::kQueueSel, 0);
  driver.Write(reg::kQueueReady, 0);
  EXPECT_EQ(driver.Read(reg::kQueueReady), 1U);
}

TEST_F(MmioTransportTest, IgnoresQueueRegistersAfterFailed) {
  driver.Negotiate(kVersion1Feature);
  driver.AddStatus(kFailed);
  EXPECT_FALSE(driver.EnableQueue(0, ring.place()));
}

TEST_F(MmioTransportTest, IgnoresQueueSizesThatAreNotPowersOfTwoInRange) {
  driver.Negotiate(kVersion1Feature);
  driver.ConfigureQueue(0, ring.place());
  for (const uint32_t size : {0U, 3U, 15U, 17U, 32U, 0x10000U, 0x10010U, 0xffffffffU}) {
    const uint64_t before = ignored();
    driver.Write(reg::kQueueNum, size);
    EXPECT_EQ(ignored(), before + 1) << size;
  }
  driver.Write(reg::kQueueReady, 1);
  EXPECT_EQ(driver.Read(reg::kQueueReady), 1U);
}

TEST_F(MmioTransportTest, DoesNotMakeAQueueReadyThatWasNeverSized) {
  driver.Negotiate(kVersion1Feature);
  RingPlace place = ring.place();
  place.size = 0;
  EXPECT_FALSE(driver.EnableQueue(0, place));
}

TEST_F(MmioTransportTest, DoesNotMakeAQueueReadyWithUnsetMisalignedOverlappingOrOutsideRings) {
  driver.Negotiate(kVersion1Feature);
  const auto with = [&](GuestAddress RingPlace::*part, GuestAddress at) {
    RingPlace place = ring.place();
    place.*part = at;
    return place;
  };
  const RingPlace good = ring.place();
  const RingPlace bad[] = {
      with(&RingPlace::descriptors, {}),
      with(&RingPlace::available, {}),
      with(&RingPlace::used, {}),
      with(&RingPlace::descriptors, good.descriptors + 8),
      with(&RingPlace::available, good.available + 1),
      with(&RingPlace::used, good.used + 2),
      with(&RingPlace::available, good.descriptors),
      with(&RingPlace::used, good.descriptors + 16),
      with(&RingPlace::used, GuestRam::kLow.end()),
      with(&RingPlace::descriptors, GuestAddress{~uint64_t{0xf}}),
  };
  for (const RingPlace& place : bad) EXPECT_FALSE(driver.EnableQueue(0, place));
  EXPECT_TRUE(driver.EnableQueue(0, good));
}

TEST_F(MmioTransportTest, TakesRingsAbove4Gibibytes) {
  driver.Negotiate(kVersion1Feature);
  const GuestAddress high = GuestRam::kHigh.start;
  EXPECT_TRUE(driver.EnableQueue(0, {16, high, high + 0x1000, high + 0x2000}));
}

TEST_F(MmioTransportTest, DoesNotChangeAReadyQueue) {
  driver.Negotiate(kVersion1Feature);
  ASSERT_TRUE(driver.EnableQueue(0, ring.place()));
  const DriverRing elsewhere(rig.ram, 4);
  driver.ConfigureQueue(0, elsewhere.place());
  driver.AddStatus(kDriverOk);
  const Segment data{rig.ram.Allocate(8), 8, true};
  ring.Add({data});
  ring.Publish();
  driver.Notify(0);
  rig.Pump();
  EXPECT_TRUE(ring.TakeUsed());
  EXPECT_EQ(elsewhere.used_index(), 0);
}

TEST_F(MmioTransportTest, DoesNotResizeAQueueThatIsReadyOrLive) {
  driver.Negotiate(kVersion1Feature);
  ASSERT_TRUE(driver.EnableQueue(0, ring.place()));
  driver.Write(reg::kQueueNum, 4);
  driver.AddStatus(kDriverOk);
  driver.Write(reg::kQueueNum, 4);
  // More than a queue of 4 could have.
  for (int i = 0; i < 10; ++i) ring.Add({Segment{rig.ram.Allocate(8), 8, true}});
  ring.Publish();
  driver.Notify(0);
  rig.Pump();
  EXPECT_EQ(ring.used_index(), 10);
  EXPECT_EQ(driver.status() & kNeedsReset, 0U);
}

TEST_F(MmioTransportTest, TakesAQueueBackBeforeDriverOk) {
  driver.Negotiate(kVersion1Feature);
  ASSERT_TRUE(driver.EnableQueue(0, ring.place()));
  driver.Write(reg::kQueueReady, 0);
  EXPECT_EQ(driver.Read(reg::kQueueReady), 0U);
  const DriverRing elsewhere(rig.ram, 4);
  EXPECT_TRUE(driver.EnableQueue(0, elsewhere.place()));
}

TEST_F(MmioTransportTest, IgnoresQueueReadyValuesOverOne) {
  driver.Negotiate(kVersion1Feature);
  driver.ConfigureQueue(0, ring.place());
  for (const uint32_t value : {2U, 3U, 0xffffffffU}) {
    driver.Write(reg::kQueueReady, value);
    EXPECT_EQ(driver.Read(reg::kQueueReady), 0U);
  }
}

TEST_F(MmioTransportTest, IgnoresQueuesThatAreNotThere) {
  driver.Negotiate(kVersion1Feature);
  for (const uint32_t queue : {2U, 0xffffU, 0x10000U, 0xffffffffU}) {
    EXPECT_FALSE(driver.EnableQueue(queue, ring.place())) << queue;
  }
}

TEST_F(MmioTransportTest, ActivatesOnlyTheQueuesThatAreReady) {
  Start();
  EXPECT_EQ(device.activations, 1);
  EXPECT_TRUE(device.queue_present[0]);
  EXPECT_FALSE(device.queue_present[1]);
}

TEST_F(MmioTransportTest, NeedsResetWhereTheDeviceCannotActivate) {
  driver.Negotiate(kVersion1Feature);
  driver.AddStatus(kDriverOk);
  EXPECT_EQ(driver.status(), kAcknowledge | kDriver | kFeaturesOk | kDriverOk | kNeedsReset);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 2U);
  EXPECT_EQ(rig.state().metrics().activation_failures.value(), 1U);
}

TEST_F(MmioTransportTest, ServesANotifiedQueue) {
  Start();
  const Segment data{rig.ram.Allocate(8), 8, true};
  ring.Add({data});
  ring.Publish();
  driver.Notify(0);
  rig.Pump();
  const auto used = ring.TakeUsed();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->len, 8U);
  EXPECT_EQ(rig.ram.Bytes(data.at, 8)[7], FakeDevice::kFill);
  EXPECT_EQ(rig.line.count(), 1);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 1U);
}

TEST_F(MmioTransportTest, InterruptsOnceForABurst) {
  Start();
  for (int i = 0; i < 10; ++i) ring.Add({Segment{rig.ram.Allocate(8), 8, true}});
  ring.Publish();
  for (int i = 0; i < 10; ++i) driver.Notify(0);
  rig.Pump();
  EXPECT_EQ(ring.used_index(), 10);
  EXPECT_EQ(rig.line.count(), 1);
}

TEST_F(MmioTransportTest, ServesBuffersThatWereThereBeforeDriverOk) {
  driver.Negotiate(kVersion1Feature);
  driver.EnableQueue(0, ring.place());
  ring.Add({Segment{rig.ram.Allocate(8), 8, true}});
  ring.Publish();
  driver.AddStatus(kDriverOk);
  rig.Pump();
  EXPECT_TRUE(ring.TakeUsed());
}

TEST_F(MmioTransportTest, DoesNothingOnANotificationBeforeDriverOk) {
  driver.Negotiate(kVersion1Feature);
  driver.EnableQueue(0, ring.place());
  ring.Add({Segment{rig.ram.Allocate(8), 8, true}});
  ring.Publish();
  driver.Notify(0);
  EXPECT_EQ(rig.Pump(), 1);
  EXPECT_EQ(device.notifications, 0);
  EXPECT_EQ(ring.used_index(), 0);
}

TEST_F(MmioTransportTest, IgnoresNotificationsOfQueuesThatAreNotThere) {
  Start();
  rig.Pump();
  for (const uint32_t queue : {2U, 0xffffU, 0x10000U, 0xffffffffU}) {
    const uint64_t before = ignored();
    driver.Notify(queue);
    EXPECT_EQ(ignored(), before + 1);
  }
  EXPECT_EQ(rig.Pump(), 0);
}

TEST_F(MmioTransportTest, SurvivesANotificationOfAQueueThatIsNotSetUp) {
  Start();
  rig.Pump();
  driver.Notify(1);
  EXPECT_EQ(rig.Pump(), 1);
  EXPECT_EQ(driver.status() & kNeedsReset, 0U);
}

TEST_F(MmioTransportTest, AcknowledgesOnlyTheInterruptsNamed) {
  Start();
  device.driver().UsedBuffers(QueueIndex{0});
  rig.state().ConfigChanged();
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 3U);
  driver.Write(reg::kInterruptAck, 1);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 2U);
  driver.Write(reg::kInterruptAck, 0xfffffffd);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 2U);
  driver.Write(reg::kInterruptAck, 2);
  EXPECT_EQ(driver.Read(reg::kInterruptStatus), 0U);
}

TEST_F(MmioTransportTest, HasNoSharedMemory) {
  for (const uint32_t region : {0U, 1U, 255U, 0xffffffffU}) {
    driver.Write(reg::kShmSel, region);
    for (const uint64_t offset :
         {reg::kShmLenLow, reg::kShmLenHigh, reg::kShmBaseLow, reg::kShmBaseHigh}) {
      EXPECT_EQ(driver.Read(offset), 0xffffffffU);
    }
  }
}

TEST_F(MmioTransportTest, HasNoQueueReset) {
  Start();
  driver.Write(reg::kQueueReset, 1);
  EXPECT_EQ(driver.Read(reg::kQueueReset), 0U);
  EXPECT_EQ(driver.Read(reg::kQueueReady), 1U);
}

TEST_F(MmioTransportTest, ReadsZeroAndCountsForRegistersThatCannotBeRead) {
  for (const uint64_t offset :
       {reg::kDeviceFeaturesSel, reg::kDriverFeatures, reg::kQueueSel, reg::kQueueNum,
        reg::kQueueNotify, reg::kInterruptAck, reg::kQueueDescLow, reg::kShmSel, uint64_t{0x0f8},
        uint64_t{0x028}}) {
    const uint64_t before = ignored();
    EXPECT_EQ(driver.Read(offset), 0U) << offset;
    EXPECT_EQ(ignored(), before + 1) << offset;
  }
}

TEST_F(MmioTransportTest, IgnoresAndCountsWritesToRegistersThatCannotBeWritten) {
  for (const uint64_t offset :
       {reg::kMagic, reg::kVersion, reg::kDeviceId, reg::kVendorId, reg::kDeviceFeatures,
        reg::kQueueNumMax, reg::kInterruptStatus, reg::kShmLenLow, reg::kConfigGeneration}) {
    const uint32_t value = driver.Read(offset);
    const uint64_t before = ignored();
    driver.Write(offset, ~value);
    EXPECT_EQ(ignored(), before + 1) << offset;
    EXPECT_EQ(driver.Read(offset), value) << offset;
  }
}

TEST_F(MmioTransportTest, TakesRegistersOnlyWhole) {
  for (const size_t width : {1U, 2U, 8U}) {
    const uint64_t before = ignored();
    EXPECT_EQ(driver.ReadWide(reg::kMagic, width), 0U);
    driver.WriteWide(reg::kStatus, kAcknowledge, width);
    EXPECT_EQ(ignored(), before + 2);
  }
  for (const uint64_t shift : {1U, 2U, 3U}) {
    EXPECT_EQ(driver.ReadWide(reg::kMagic + shift, 4), 0U);
    driver.WriteWide(reg::kStatus + shift, 0x01010101, 4);
  }
  EXPECT_EQ(driver.status(), 0U);
}

}  // namespace
}  // namespace ember::virtio::testing
