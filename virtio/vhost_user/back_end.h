#ifndef EMBER_VIRTIO_VHOST_USER_BACK_END_H_
#define EMBER_VIRTIO_VHOST_USER_BACK_END_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/features.h"
#include "virtio/queue_layout.h"
#include "virtio/queue_types.h"
#include "virtio/vhost_user/connection.h"
#include "virtio/vhost_user/protocol.h"

namespace ember::virtio::vhost_user {

// A process that does a device's work on queues in memory that it shares with us, and what can be
// asked of it. Where it can acknowledge, each call returns when it has done as asked. No call waits
// longer than its deadline; after an error the connection is of no more use. One thread at a time.
class BackEnd {
 public:
  // One queue as it is handed over. Borrows all.
  struct Vring {
    QueueIndex index{};
    const QueueConfig& config;
    const QueueRings& rings;
    const Fd& kick;  // the driver's notifications
    const Fd& call;  // the back end's
  };

  // Connects and agrees on the protocol's features: the back end must have configuration messages.
  static Result<BackEnd> Connect(const std::string& path, const Deadline& deadline);
  // The same over a connection at hand.
  static Result<BackEnd> Negotiate(Connection connection, const Deadline& deadline);

  const Fd& fd() const { return connection_.fd(); }
  // What it offers to the driver.
  Features features() const { return features_; }
  // How many queues it can serve; 1 where it does not say.
  uint64_t max_queues() const { return max_queues_; }

  // Fills `out` from offset 0 of the device's configuration space.
  Status ReadConfig(std::span<std::byte> out, const Deadline& deadline);

  // For the driver's activation, in this order.
  Status SetFeatures(Features features, const Deadline& deadline);
  // Errors where memory is not backed by a file, or has too many regions.
  Status ShareMemory(const GuestMemory& memory, const Deadline& deadline);
  Status StartVring(const Vring& vring, const Deadline& deadline);

  // Returns when the back end touches the queue no more.
  Status StopVring(QueueIndex index, const Deadline& deadline);

 private:
  BackEnd(Connection connection, Features features)
      : connection_(std::move(connection)), features_(features) {}

  template <typename Payload>
  Status Set(Request request, const Payload& payload, const Deadline& deadline,
             std::span<const int> fds = {}) {
    return SetBytes(request, std::as_bytes(std::span(&payload, 1)), fds, deadline);
  }
  Status SetBytes(Request request, std::span<const std::byte> payload, std::span<const int> fds,
                  const Deadline& deadline);
  Status AgreeOnProtocol(const Deadline& deadline);

  Connection connection_;
  Features features_;
  bool acknowledges_ = false;
  uint64_t max_queues_ = 1;
};

}  // namespace ember::virtio::vhost_user

#endif  // EMBER_VIRTIO_VHOST_USER_BACK_END_H_
