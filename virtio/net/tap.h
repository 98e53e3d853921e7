#ifndef EMBER_VIRTIO_NET_TAP_H_
#define EMBER_VIRTIO_NET_TAP_H_

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "virtio/net/net_backend.h"

namespace ember::virtio {

// A tap interface of the host's: one descriptor for each pair of queues, frames with a virtio
// header before them, so that the kernel does checksums and segmentation. The link is up until the
// interface is deleted; while it is only down, frames for it are refused. Threads as NetBackend
// says.
class Tap final : public NetBackend {
 public:
  // Attaches to the interface `name`, with several pairs to all of its queues that the device uses;
  // one that does not exist is made, where the process may do so, and goes with it. The interface
  // must not be in use (with several pairs: be made with multi_queue). Errors name it.
  static Result<std::unique_ptr<Tap>> Open(const std::string& name, uint16_t queue_pairs);
  // A tap that whoever started the process attached to, with IFF_VNET_HDR and IFF_NO_PI: one pair.
  // The descriptor stays the caller's, and becomes non-blocking.
  static Result<std::unique_ptr<Tap>> Inherit(int tap_fd);

  uint16_t queue_pairs() const override { return static_cast<uint16_t>(queues_.size()); }
  Features offloads() const override { return offloads_; }
  Status Start(Features negotiated) override;
  Status UsePairs(uint16_t count) override;
  int fd(QueuePair pair) const override { return queues_[ToInteger(pair)].get(); }
  bool link_up() const override { return !gone_; }
  SendOutcome Send(QueuePair pair, NetHeader header, std::span<iovec> pieces) override;
  Received Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) override;

 private:
  // Sets the queues up, which are attached to `name`.
  static Result<std::unique_ptr<Tap>> Prepare(std::string name, std::vector<Fd> queues);
  Tap(std::string name, std::vector<Fd> queues, Features offloads);

  const std::string name_;
  const std::vector<Fd> queues_;
  const Features offloads_;
  uint16_t used_pairs_;
  bool gone_ = false;  // the interface was deleted
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_TAP_H_
