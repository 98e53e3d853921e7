// The device as its driver sees it: features, configuration, queues, resets.
#include "virtio/vsock/vsock_device.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/virtio/vsock/vsock_fixture.h"

namespace ember::virtio::testing {
namespace {

class VsockDeviceTest : public VsockTest {};

TEST_F(VsockDeviceTest, IsASocketDeviceOfThreeQueues) {
  EXPECT_EQ(rig.driver.Read(reg::kDeviceId), 19U);
  EXPECT_EQ(rig.driver.DeviceFeatures() & 0xffffff, 1U);
  for (const uint32_t queue : {0U, 1U, 2U}) {
    rig.driver.Write(reg::kQueueSel, queue);
    EXPECT_EQ(rig.driver.Read(reg::kQueueNumMax), 256U);
  }
}

TEST_F(VsockDeviceTest, SaysTheGuestsCidAndTakesNoOther) {
  EXPECT_EQ(rig.driver.ReadWide(reg::kConfig, 8), kGuestCid);
  rig.driver.WriteWide(reg::kConfig, 4, 8);
  EXPECT_EQ(rig.driver.ReadWide(reg::kConfig, 8), kGuestCid);
  EXPECT_EQ(rig.driver.Read(reg::kConfig + 8), 0U);
  EXPECT_EQ(device->metrics().cfg_fails.value(), 1U);
}

TEST_F(VsockDeviceTest, NeedsItsPacketQueues) {
  rig.driver.Write(reg::kStatus, 0);
  rig.driver.Negotiate(kVersion1Feature);
  rig.driver.EnableQueue(0, driver.rx().place());
  rig.driver.AddStatus(kDriverOk);
  EXPECT_TRUE(needs_reset());
  EXPECT_EQ(device->metrics().activate_fails.value(), 1U);
}

TEST_F(VsockDeviceTest, DoesWithoutAnEventQueue) {
  rig.driver.Write(reg::kStatus, 0);
  rig.driver.Negotiate(kVersion1Feature);
  rig.driver.EnableQueue(0, driver.rx().place());
  rig.driver.EnableQueue(1, driver.tx().place());
  rig.driver.AddStatus(kDriverOk);
  rig.driver.Notify(2);
  rig.Pump();
  rig.state().WithDevice([&] { device->ResetTransport(); });
  EXPECT_FALSE(needs_reset());
}

TEST_F(VsockDeviceTest, MeetsAPacketWithoutItsPayloadWithNeedsReset) {
  const HostEnd host = ConnectFromHost();
  VsockHeader header = Header(kVsockRw, host_port);
  header.len = 100;
  driver.Send(header, "short");
  rig.Pump();
  EXPECT_TRUE(needs_reset());
  EXPECT_TRUE(host.AtEnd());
  EXPECT_EQ(device->metrics().tx_queue_event_fails.value(), 1U);
  const HostEnd client = Client();
  client.Write("CONNECT 1\n");
  EXPECT_EQ(rig.Pump(), 0);
  driver.Start();
  EXPECT_EQ(ReceiveOp(), kVsockRequest);
}

TEST_F(VsockDeviceTest, MeetsABufferWithoutRoomForAPacketWithNeedsReset) {
  for (const uint32_t len : {1U, 43U, 44U}) {
    driver.set_hold_rx(true);
    driver.Start();
    for (int i = 0; i < 32; ++i) Send(kVsockRw, 99);
    while (driver.Receive()) {
    }
    driver.rx().Add({Segment{rig.ram.Allocate(64), len, true}});
    driver.KickRx();
    Send(kVsockRw, 99);
    EXPECT_TRUE(needs_reset()) << len;
    driver.set_hold_rx(false);
  }
  EXPECT_EQ(device->metrics().rx_queue_event_fails.value(), 3U);
}

TEST_F(VsockDeviceTest, ClosesEverythingOnReset) {
  const HostEnd host = ConnectFromHost();
  const HostEnd other = ConnectFromGuest();
  const HostEnd waiting = Client();
  waiting.Write("CONNE");
  rig.Pump();
  host.Write("in flight");
  Send(Header(kVsockRw, 1234), "to nobody");
  rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(rig.driver.status(), 0U);
  EXPECT_EQ(rig.Pump(), 0);
  EXPECT_TRUE(host.AtEnd());
  EXPECT_TRUE(other.AtEnd());
  EXPECT_TRUE(waiting.AtEnd());
  EXPECT_EQ(device->connection_count(), 0U);
  driver.Start();
  EXPECT_EQ(ReceiveOp(), -1);
  const HostEnd again = ConnectFromHost();
}

TEST_F(VsockDeviceTest, WritesNothingAfterAResetWithTrafficInFlight) {
  for (int round = 0; round < 50; ++round) {
    const HostEnd host = ConnectFromHost();
    host.Write(std::string(100000, 'x'));
    for (int i = 0; i < round % 4; ++i) rig.PumpOnce();
    driver.Send(Header(kVsockCreditRequest, host_port));
    rig.driver.Write(reg::kStatus, 0);
    const uint16_t used = driver.rx().used_index();
    rig.driver.Notify(0);
    rig.driver.Notify(1);
    rig.Pump();
    ASSERT_EQ(driver.rx().used_index(), used);
    driver.Start();
  }
}

TEST_F(VsockDeviceTest, TellsOfATransportResetInTheEventQueue) {
  const HostEnd host = ConnectFromHost();
  driver.OfferEvent();
  rig.Pump();
  EXPECT_FALSE(driver.TakeEvent());
  rig.state().WithDevice([&] { device->ResetTransport(); });
  EXPECT_EQ(driver.TakeEvent(), 0U);
  EXPECT_TRUE(host.AtEnd());
  EXPECT_EQ(ReceiveOp(), -1);
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockDeviceTest, TellsOfATransportResetWhenThereIsABufferForIt) {
  rig.state().WithDevice([&] { device->ResetTransport(); });
  EXPECT_FALSE(driver.TakeEvent());
  driver.OfferEvent();
  rig.Pump();
  EXPECT_EQ(driver.TakeEvent(), 0U);
  driver.OfferEvent();
  rig.Pump();
  EXPECT_FALSE(driver.TakeEvent());
}

TEST_F(VsockDeviceTest, MeetsAnEventBufferThatIsTooSmallWithNeedsReset) {
  driver.OfferEvent(3);
  rig.Pump();
  EXPECT_FALSE(needs_reset());
  rig.state().WithDevice([&] { device->ResetTransport(); });
  EXPECT_TRUE(needs_reset());
}

TEST_F(VsockDeviceTest, MarksDirtyWhatItWrites) {
  const auto tracked = VsockDevice::Create({.guest_cid = 3, .uds_path = directory.Path("other")});
  ASSERT_TRUE(tracked);
  Rig own_rig(**tracked, /*track_dirty_pages=*/true);
  VsockDriver own_driver(own_rig, {.rx_buffers = 0});
  const GuestAddress buffer = own_rig.ram.Allocate(2 * DirtyPages::kPageBytes, 4096);
  own_driver.OfferRx(buffer);
  own_driver.KickRx();
  own_rig.ram.memory().dirty_pages()->Take(0);
  own_driver.Send(Header(kVsockRw, 99));
  own_rig.Pump();
  ASSERT_TRUE(own_driver.Receive());
  const std::vector<uint64_t> dirty = own_rig.ram.memory().dirty_pages()->Take(0);
  const uint64_t page = ToInteger(buffer) / DirtyPages::kPageBytes;
  EXPECT_NE(dirty[page / 64] >> (page % 64) & 1, 0U);
  EXPECT_EQ(dirty[(page + 1) / 64] >> ((page + 1) % 64) & 1, 0U);
}

TEST_F(VsockDeviceTest, TellsARestoredDriverThatItsStreamsAreGone) {
  const HostEnd host = ConnectFromHost();
  driver.OfferEvent();
  rig.Pump();
  const SavedMmio saved = rig.Save();
  rig.Pump();
  EXPECT_FALSE(driver.TakeEvent()) << "here they are not";
  EXPECT_EQ(device->connection_count(), 1U);

  const auto other = *VsockDevice::Create(
      {.guest_cid = kGuestCid, .uds_path = directory.Path("other"), .clock = clock});
  FakeInterruptLine line;
  const auto copy = *MmioTransport::Create(*other, rig.ram.memory(), line);
  ASSERT_TRUE(copy->Restore(saved));
  EXPECT_EQ(driver.TakeEvent(), 0U);
  EXPECT_GT(line.count(), 0);
}

}  // namespace
}  // namespace ember::virtio::testing
