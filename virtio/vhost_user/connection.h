#ifndef EMBER_VIRTIO_VHOST_USER_CONNECTION_H_
#define EMBER_VIRTIO_VHOST_USER_CONNECTION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "virtio/vhost_user/protocol.h"

namespace ember::virtio::vhost_user {

// When a wait ends, on the monotonic clock.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds from_now);
  // What is left, rounded up; 0 once it is over.
  int RemainingMs() const;

 private:
  std::chrono::nanoseconds end_;
};

// Our end of a stream to a back end, which may send anything or nothing: no call waits longer than
// its deadline, and what is not the answer to the question is an error. After an error the two ends
// no longer agree on where messages begin: the connection is of no more use. One thread at a time.
class Connection {
 public:
  // At most this many descriptors go with a message.
  static constexpr size_t kMaxFds = kMaxMemoryRegions;

  // Connects to a Unix stream socket that listens at `path`. The error names the path. Never waits.
  static Result<Connection> Connect(const std::string& path);
  // Over a stream socket at hand.
  explicit Connection(Fd socket) : socket_(std::move(socket)) {}

  const Fd& fd() const { return socket_; }

  // Sends a message, copies of `fds` with it, at most kMaxFds.
  Status Send(Request request, uint32_t flags, std::span<const std::byte> payload,
              std::span<const int> fds, const Deadline& deadline);
  // Waits for the answer to `request` and puts its payload into `out`, which it must fill.
  // Descriptors that come with it are closed, and an error.
  Status ReceiveReply(Request request, std::span<std::byte> out, const Deadline& deadline);

 private:
  Status Wait(short events, const Deadline& deadline);
  Status SendPart(std::span<const std::byte>& rest, std::span<const int>& fds);
  Status Receive(std::span<std::byte> out, const Deadline& deadline);

  Fd socket_;
};

}  // namespace ember::virtio::vhost_user

#endif  // EMBER_VIRTIO_VHOST_USER_CONNECTION_H_
