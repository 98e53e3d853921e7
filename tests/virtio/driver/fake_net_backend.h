#ifndef EMBER_TESTS_VIRTIO_DRIVER_FAKE_NET_BACKEND_H_
#define EMBER_TESTS_VIRTIO_DRIVER_FAKE_NET_BACKEND_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "virtio/net/net_backend.h"

namespace ember::virtio::testing {

// A frame and what is said of it.
struct NetFrame {
  NetHeader header{};
  std::vector<std::byte> bytes;
};

// A back end whose host is the test: real descriptors, which are full and empty as a tap's are. It
// does as it is told: each call can be made to have another outcome. One thread.
class FakeNetBackend final : public NetBackend {
 public:
  static constexpr Features kAllOffloads{VIRTIO_NET_F_CSUM,       VIRTIO_NET_F_GUEST_CSUM,
                                         VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
                                         VIRTIO_NET_F_GUEST_ECN,  VIRTIO_NET_F_GUEST_UFO,
                                         VIRTIO_NET_F_HOST_TSO4,  VIRTIO_NET_F_HOST_TSO6,
                                         VIRTIO_NET_F_HOST_ECN,   VIRTIO_NET_F_HOST_UFO};

  explicit FakeNetBackend(uint16_t pairs = 1, Features offloads = kAllOffloads)
      : offloads_(offloads), ends_(pairs) {
    for (Ends& ends : ends_) {
      std::array<int, 2> fds;
      constexpr int kType = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
      if (::socketpair(AF_UNIX, kType, 0, fds.data()) < 0) std::abort();
      ends = {.device = Fd(fds[0]), .host = Fd(fds[1])};
    }
  }

  uint16_t queue_pairs() const override { return static_cast<uint16_t>(ends_.size()); }
  Features offloads() const override { return offloads_; }
  Status Start(Features negotiated) override {
    if (fail_start) return Error("told to fail");
    started_with = negotiated;
    used_pairs = 1;
    return {};
  }
  Status UsePairs(uint16_t count) override {
    if (fail_use_pairs) return Error("told to fail");
    used_pairs = count;
    return {};
  }
  int fd(QueuePair pair) const override { return ends_[ToInteger(pair)].device.get(); }
  bool link_up() const override { return link_up_; }

  SendOutcome Send(QueuePair pair, NetHeader header, std::span<iovec> pieces) override {
    ++sends;
    if (!link_up_) return SendOutcome::kClosed;
    if (!send_outcomes.empty()) return Next(send_outcomes);
    pieces.front() = {.iov_base = &header, .iov_len = sizeof(header)};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    if (::sendmsg(fd(pair), &message, MSG_NOSIGNAL) >= 0) return SendOutcome::kSent;
    return errno == EAGAIN ? SendOutcome::kFull : SendOutcome::kRefused;
  }
  Received Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) override {
    ++receives;
    if (!link_up_) return {.outcome = ReceiveOutcome::kClosed};
    if (!receive_outcomes.empty()) return {.outcome = Next(receive_outcomes)};
    pieces.front() = {.iov_base = &header, .iov_len = sizeof(header)};
    const ssize_t count = ::readv(fd(pair), pieces.data(), static_cast<int>(pieces.size()));
    if (count < 0) return {.outcome = ReceiveOutcome::kNone};
    return {.outcome = ReceiveOutcome::kFrame,
            .frame_bytes = static_cast<size_t>(count) - sizeof(header)};
  }
  bool HoldsFrame(QueuePair /*pair*/) const override { return holds_frame; }

  // The host's side: a frame for the guest, false where the queue is full; and one from it.
  bool Put(const NetFrame& frame, uint16_t pair = 0) {
    NetFrame copy = frame;
    std::array<iovec, 2> pieces{
        {{&copy.header, sizeof(copy.header)}, {copy.bytes.data(), copy.bytes.size()}}};
    return ::writev(ends_[pair].host.get(), pieces.data(), pieces.size()) >= 0;
  }
  std::optional<NetFrame> Take(uint16_t pair = 0) {
    NetFrame frame;
    frame.bytes.resize(2 * kMaxFrameBytes);
    std::array<iovec, 2> pieces{
        {{&frame.header, sizeof(frame.header)}, {frame.bytes.data(), frame.bytes.size()}}};
    const ssize_t count = ::readv(ends_[pair].host.get(), pieces.data(), pieces.size());
    if (count < 0) return std::nullopt;
    frame.bytes.resize(static_cast<size_t>(count) - sizeof(frame.header));
    return frame;
  }
  void TakeLinkDown() {
    link_up_ = false;
    for (const Ends& ends : ends_) ::shutdown(ends.host.get(), SHUT_RDWR);
  }

  bool fail_start = false;
  bool fail_use_pairs = false;
  bool holds_frame = false;
  std::deque<SendOutcome> send_outcomes;  // of the next calls
  std::deque<ReceiveOutcome> receive_outcomes;
  Features started_with;
  uint16_t used_pairs = 0;
  int sends = 0;
  int receives = 0;

 private:
  struct Ends {
    Fd device;
    Fd host;
  };
  template <typename T>
  static T Next(std::deque<T>& outcomes) {
    const T outcome = outcomes.front();
    outcomes.pop_front();
    return outcome;
  }

  const Features offloads_;
  std::vector<Ends> ends_;
  bool link_up_ = true;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_FAKE_NET_BACKEND_H_
