#ifndef EMBER_TESTS_VIRTIO_VSOCK_VSOCK_FIXTURE_H_
#define EMBER_TESTS_VIRTIO_VSOCK_VSOCK_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/unix_socket.h"
#include "tests/base/fake_clock.h"
#include "tests/base/temporary_directory.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/driver/vsock_driver.h"
#include "tests/virtio/vsock/host_end.h"
#include "virtio/vsock/vsock_device.h"

namespace ember::virtio::testing {

// A vsock device on a rig, a guest's driver and clients of the host.
class VsockTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kGuestCid = 3;
  static constexpr uint32_t kGuestPort = 1024;
  static constexpr uint32_t kGuestBuffer = 262144;

  std::string uds_path() const { return directory.Path("v"); }

  VsockHeader Header(uint16_t op, uint32_t to_port, uint32_t from_port = kGuestPort) const {
    VsockHeader header;
    header.src_cid = kGuestCid;
    header.dst_cid = 2;
    header.src_port = from_port;
    header.dst_port = to_port;
    header.type = kVsockStream;
    header.op = op;
    header.buf_alloc = kGuestBuffer;
    return header;
  }
  // Sends a packet and lets the device work.
  void Send(VsockHeader header, std::string_view payload = {}) {
    header.len = static_cast<uint32_t>(payload.size());
    driver.Send(header, payload);
    rig.Pump();
  }
  void Send(uint16_t op, uint32_t to_port, std::string_view payload = {}) {
    Send(Header(op, to_port), payload);
  }
  // The next packet for the guest after the device has worked.
  std::optional<VsockReceived> Receive() {
    rig.Pump();
    return driver.Receive();
  }
  // Its operation; -1: there is none.
  int ReceiveOp() {
    const auto received = Receive();
    return received ? received->header.op : -1;
  }
  // The payload of all RW packets that are there.
  std::string ReceiveAll() {
    std::string bytes;
    while (const auto received = Receive()) {
      if (received->header.op == kVsockRw) bytes += received->payload;
    }
    return bytes;
  }

  HostEnd Client() const { return HostEnd(*ConnectUnix(uds_path())); }
  // A client's connection to `guest_port`, which the guest accepts. host_port says by what name.
  HostEnd ConnectFromHost(uint32_t guest_port = kGuestPort) {
    HostEnd client = Client();
    client.Write("CONNECT " + std::to_string(guest_port) + "\n");
    const auto request = Receive();
    EXPECT_TRUE(request && request->header.op == kVsockRequest);
    host_port = request ? request->header.src_port : 0;
    Send(Header(kVsockResponse, host_port, guest_port));
    EXPECT_EQ(client.Read(), "OK " + std::to_string(host_port) + "\n");
    return client;
  }
  // The guest's connection to the socket of `port`, at which a listener is made.
  HostEnd ConnectFromGuest(uint32_t port = 52) {
    host_port = port;
    const auto listener = UnixListener::Bind(uds_path() + "_" + std::to_string(port));
    Send(kVsockRequest, port);
    Result<Fd> accepted = listener->Accept();
    EXPECT_TRUE(accepted);
    EXPECT_EQ(ReceiveOp(), kVsockResponse);
    return HostEnd(*std::move(accepted));
  }
  void Advance(std::chrono::nanoseconds by) {
    clock.Advance(by);
    rig.state().ProcessHostEvents();
    rig.Pump();
  }
  bool needs_reset() const { return (rig.driver.status() & kNeedsReset) != 0; }

  TemporaryDirectory directory;
  FakeClock clock;
  std::unique_ptr<VsockDevice> device = *VsockDevice::Create(
      {.guest_cid = kGuestCid, .uds_path = directory.Path("v"), .clock = clock});
  Rig rig{*device};
  VsockDriver driver{rig, {}};
  uint32_t host_port = 0;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_VSOCK_VSOCK_FIXTURE_H_
