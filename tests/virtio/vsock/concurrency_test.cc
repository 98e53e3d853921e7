// A guest, the device and the host's ends on threads of their own, as in a machine. Under
// ThreadSanitizer this shows that the memory orders hold (shared/virtio.md, 7 and 13).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/thread.h"
#include "base/unix_socket.h"
#include "tests/base/temporary_directory.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/driver/vsock_driver.h"
#include "tests/virtio/vsock/host_end.h"
#include "virtio/vsock/vsock_device.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kGuestBuffer = 65536;

VsockHeader Header(uint16_t op, uint32_t guest_port, uint32_t fwd_cnt = 0) {
  return {.src_cid = 3,
          .dst_cid = 2,
          .src_port = guest_port,
          .dst_port = 52,
          .type = kVsockStream,
          .op = op,
          .buf_alloc = kGuestBuffer,
          .fwd_cnt = fwd_cnt};
}

// Gives back what comes until the other end closes. Waits in its calls.
void Echo(const Fd& fd) {
  ::fcntl(fd.get(), F_SETFL, 0);
  const HostEnd host(Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
  for (std::string bytes; !(bytes = host.Read(5000)).empty();) host.Write(bytes);
}

class VsockConcurrency : public ::testing::TestWithParam<uint64_t> {
 protected:
  // The next packet; waits for it the way a driver does.
  VsockReceived Wait() {
    for (;;) {
      const int seen = rig.line.count();
      driver.rx().RequestEvent();
      if (auto received = driver.Receive()) return *std::move(received);
      rig.line.WaitWhile(seen);
    }
  }

  TemporaryDirectory directory;
  std::unique_ptr<VsockDevice> device =
      *VsockDevice::Create({.guest_cid = 3, .uds_path = directory.Path("v")});
  UnixListener listener = *UnixListener::Bind(directory.Path("v_52"));
  Rig rig{*device};
  VsockDriver driver{rig, {.features = GetParam()}};
};

TEST_P(VsockConcurrency, KeepsEveryByteOfSeveralStreams) {
  constexpr uint32_t kStreams = 4;
  constexpr uint32_t kBytes = 400000;
  const DeviceThread device_thread(rig.state());
  std::vector<Fd> ends;
  for (uint32_t port = 0; port < kStreams; ++port) {
    driver.Send(Header(kVsockRequest, port));
    ASSERT_EQ(Wait().header.op, kVsockResponse);
    ends.push_back(*listener.Accept());
  }
  std::vector<Thread> echoes;
  for (const Fd& end : ends) echoes.push_back(*Thread::Start("echo", [&end] { Echo(end); }));

  const std::string chunk(4000, 'x');
  std::vector<uint32_t> sent(kStreams), got(kStreams);
  while (std::ranges::any_of(got, [](uint32_t bytes) { return bytes < kBytes; })) {
    for (uint32_t port = 0; port < kStreams; ++port) {
      // Never more under way than fits on the way back, or all would wait for all.
      while (sent[port] < kBytes && sent[port] - got[port] <= kGuestBuffer / 2 &&
             driver.can_put()) {
        VsockHeader header = Header(kVsockRw, port, got[port]);
        header.len = static_cast<uint32_t>(chunk.size());
        driver.Send(header, chunk);
        sent[port] += header.len;
      }
    }
    const VsockReceived received = Wait();
    ASSERT_NE(received.header.op, kVsockRst);
    const uint32_t port = received.header.dst_port;
    got[port] += static_cast<uint32_t>(received.payload.size());
    while (!driver.can_put()) ::sched_yield();
    driver.Send(Header(kVsockCreditUpdate, port, got[port]));
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(rig.driver.status() & kNeedsReset, 0U);
  rig.driver.Write(reg::kStatus, 0);  // ends the echoes
}

TEST_P(VsockConcurrency, TouchesNothingAfterAResetUnderLoad) {
  const DeviceThread device_thread(rig.state());
  for (int round = 0; round < 50; ++round) {
    driver.Send(Header(kVsockRequest, 1));
    while (Wait().header.op != kVsockResponse) {
    }
    Result<Fd> end = listener.Accept();
    ASSERT_TRUE(end);
    const Thread writer = *Thread::Start("writer", [&end] {
      const HostEnd host(*std::move(end));
      const std::string bytes(10000, 'y');
      while (!host.AtEnd()) host.Write(bytes);
    });
    for (int i = 0; i < round % 8; ++i) Wait();
    rig.driver.Write(reg::kStatus, 0);
    ASSERT_EQ(rig.driver.status(), 0U);
    const uint16_t used = driver.rx().used_index();
    for (int i = 0; i < 100; ++i) rig.driver.Read(reg::kInterruptStatus);
    ASSERT_EQ(driver.rx().used_index(), used);
    driver.Start();
  }
}

INSTANTIATE_TEST_SUITE_P(Suppression, VsockConcurrency, ::testing::Values(0, kEventIndexFeature64),
                         [](const auto& test) {
                           return std::string(test.param != 0 ? "EventIndex" : "Flags");
                         });

}  // namespace
}  // namespace ember::virtio::testing
