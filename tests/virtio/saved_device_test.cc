#include "virtio/saved_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "snapshot/fields.h"
#include "tests/virtio/mmio_fixture.h"

namespace ember::virtio::testing {
namespace {

using ::testing::HasSubstr;

class SavedDeviceTest : public MmioTransportTest {
 protected:
  // What a snapshot of the device has, by way of its form in a file.
  SavedMmio Save() {
    DeviceHold hold(rig.state());
    const SavedMmio saved = rig.transport->Save(hold).value();
    return snapshot::FromTree<SavedMmio>(snapshot::ToTree(saved), 1).value();
  }

  // A new machine's device, over the memory of the old one.
  struct Copy {
    explicit Copy(const GuestMemory& memory)
        : transport(*MmioTransport::Create(device, memory, line)), driver(*transport) {}
    DeviceState& state() { return transport->state(); }

    FakeDevice device;
    FakeInterruptLine line;
    std::shared_ptr<MmioTransport> transport;
    MmioDriver driver;
  };

  void AddBuffer() {
    ring.Add({{.at = buffer_, .len = 64, .device_writes = true}});
    ring.Publish();
  }
  // What is said of a saved device that was changed.
  std::string ErrorAfter(const std::function<void(SavedDevice&)>& change) {
    SavedMmio saved = Save();
    change(saved.device);
    Copy copy(rig.ram.memory());
    const Status restored = copy.transport->Restore(saved);
    return restored ? "none" : restored.error().message();
  }

  GuestAddress buffer_ = rig.ram.Allocate(64);
};

TEST_F(SavedDeviceTest, ADeviceThatNoDriverTouchedStaysSo) {
  const SavedMmio saved = Save();
  EXPECT_EQ(device.rests, 0);
  Copy copy(rig.ram.memory());
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.driver.status(), 0U);
  EXPECT_EQ(copy.device.activations, 0);
}

TEST_F(SavedDeviceTest, AnActiveDeviceGoesOnWhereItsQueuesWere) {
  Start();
  for (int i = 0; i < 20; ++i) {
    AddBuffer();
    driver.Notify(0);
    rig.Pump();
    ASSERT_TRUE(ring.TakeUsed());
  }
  const SavedMmio saved = Save();
  EXPECT_EQ(device.rests, 1);
  EXPECT_EQ(saved.device.queues[0].position, 20);

  Copy copy(rig.ram.memory());
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.driver.status(), driver.status());
  EXPECT_EQ(copy.device.activations, 1);
  EXPECT_TRUE(copy.device.features.Has(32));
  AddBuffer();
  copy.state().ProcessQueue(QueueIndex{0});
  EXPECT_TRUE(ring.TakeUsed());
  EXPECT_EQ(copy.driver.status() & kNeedsReset, 0U);
}

TEST_F(SavedDeviceTest, ADoorbellThatWasRungIsHeardAfterwards) {
  Start();
  AddBuffer();
  driver.Notify(0);
  const SavedMmio saved = Save();
  Copy copy(rig.ram.memory());
  ASSERT_TRUE(copy.transport->Restore(saved));
  uint64_t count = 0;
  EXPECT_EQ(::read(copy.state().notify_fd(QueueIndex{0}).get(), &count, sizeof(count)), 8);
  copy.state().ProcessQueue(QueueIndex{0});
  EXPECT_TRUE(ring.TakeUsed());
}

TEST_F(SavedDeviceTest, WhatWasPutBackIsFoundAgainWhenTheDeviceGoesOn) {
  Start();
  rig.Pump();
  Save();
  uint64_t count = 0;
  EXPECT_EQ(::read(rig.state().notify_fd(QueueIndex{0}).get(), &count, sizeof(count)), 8);
  device.restless = true;
  {
    DeviceHold hold(rig.state());
    EXPECT_FALSE(hold.Save());
  }
  EXPECT_EQ(::read(rig.state().notify_fd(QueueIndex{0}).get(), &count, sizeof(count)), 8);
}

TEST_F(SavedDeviceTest, ADeviceHearsThatItsDriverIsUpAlready) {
  Start();
  const SavedMmio saved = Save();
  EXPECT_EQ(device.restorations, 0);
  Copy copy(rig.ram.memory());
  copy.device.changes_when_restored = true;
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.device.restorations, 1);
  EXPECT_EQ(copy.driver.Read(reg::kInterruptStatus), 2U) << "it tells the driver of a change";
  EXPECT_EQ(copy.state().config_generation(), saved.device.config_generation + 1);
}

TEST_F(SavedDeviceTest, AnInterruptThatIsNotAcknowledgedComesOnceMore) {
  Start();
  AddBuffer();
  driver.Notify(0);
  rig.Pump();
  const SavedMmio saved = Save();
  Copy copy(rig.ram.memory());
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.driver.Read(reg::kInterruptStatus), 1U);
  EXPECT_EQ(copy.line.count(), 1);
}

TEST_F(SavedDeviceTest, AHalfNegotiatedDeviceGoesOnBeingNegotiated) {
  ASSERT_TRUE(driver.Negotiate(kVersion1Feature));
  driver.ConfigureQueue(0, ring.place());
  driver.Write(reg::kQueueSel, 1);
  const SavedMmio saved = Save();
  Copy copy(rig.ram.memory());
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.driver.Read(reg::kQueueNumMax), 4U) << "the queue that was selected";
  copy.driver.Write(reg::kQueueSel, 0);
  copy.driver.Write(reg::kQueueReady, 1);
  copy.driver.AddStatus(kDriverOk);
  EXPECT_EQ(copy.device.activations, 1);
  EXPECT_EQ(copy.driver.status() & kNeedsReset, 0U);
}

TEST_F(SavedDeviceTest, ADeviceThatNeedsAResetStaysInactiveUntilThen) {
  Start();
  ring.SetAvailableIndex(1000);
  driver.Notify(0);
  rig.Pump();
  const SavedMmio saved = Save();
  EXPECT_EQ(device.rests, 0);
  Copy copy(rig.ram.memory());
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.driver.status() & kNeedsReset, kNeedsReset);
  EXPECT_EQ(copy.device.activations, 0);
  copy.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(copy.driver.status(), 0U);
}

TEST_F(SavedDeviceTest, ADeviceThatCannotRestIsNamed) {
  Start();
  device.restless = true;
  DeviceHold hold(rig.state());
  const Result<SavedDevice> saved = hold.Save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().message(), "fake: no rest");
}

TEST_F(SavedDeviceTest, StatesThatNoDriverCanReachAreNamed) {
  Start();
  EXPECT_EQ(ErrorAfter([](SavedDevice&) {}), "none");
  EXPECT_EQ(ErrorAfter([](SavedDevice& saved) { saved.queues.pop_back(); }),
            "fake: the snapshot has 1 queues, the device 2");
  EXPECT_EQ(ErrorAfter([](SavedDevice& saved) { saved.status = 4; }),
            "fake: no driver brings a device to status 0x4");
  EXPECT_EQ(ErrorAfter([](SavedDevice& saved) { saved.status = 0x1f; }),
            "fake: no driver brings a device to status 0x1f");
  EXPECT_THAT(ErrorAfter([](SavedDevice& saved) { saved.driver_features |= 1U << 7; }),
              HasSubstr("fake: its driver uses the features 0x100000080, of which the device has"));
  EXPECT_EQ(ErrorAfter([](SavedDevice& saved) { saved.queues[0].config.size = QueueSize{32}; }),
            "fake: queue 0 of size 32 is none of at most 16 entries");
  EXPECT_EQ(ErrorAfter([](SavedDevice& saved) { saved.queues[1].config.size = QueueSize{3}; }),
            "fake: queue 1 of size 3 is none of at most 4 entries");
  EXPECT_THAT(ErrorAfter([](SavedDevice& saved) {
                saved.queues[0].config.used = GuestAddress{uint64_t{1} << 60};
              }),
              HasSubstr("fake: queue 0: "));
}

TEST_F(SavedDeviceTest, ADeviceThatDoesNotStartIsNamed) {
  Start();
  EXPECT_EQ(ErrorAfter([](SavedDevice& saved) { saved.queues[0].config.ready = false; }),
            "fake: queue 0 is not set up");
}

}  // namespace
}  // namespace ember::virtio::testing
