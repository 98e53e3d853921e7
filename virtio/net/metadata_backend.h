#ifndef EMBER_VIRTIO_NET_METADATA_BACKEND_H_
#define EMBER_VIRTIO_NET_METADATA_BACKEND_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "mmds/responder.h"
#include "virtio/net/net_backend.h"

namespace ember::virtio {

// The metadata service between a device and its network: answers the frames that are for the
// service, and lets all others pass, either way. Where both have frames for the guest they take
// turns, so that neither can keep the other out. Threads as NetBackend says.
class MetadataBackend final : public NetBackend {
 public:
  // The service must outlive the back end.
  MetadataBackend(std::unique_ptr<NetBackend> network, mmds::GuestService& service,
                  const mmds::Responder::Options& options)
      : network_(std::move(network)), responder_(service, options) {}

  uint16_t queue_pairs() const override { return network_->queue_pairs(); }
  Features offloads() const override { return network_->offloads(); }
  Status Start(Features negotiated) override;
  Status UsePairs(uint16_t count) override { return network_->UsePairs(count); }
  int fd(QueuePair pair) const override { return network_->fd(pair); }
  bool link_up() const override { return network_->link_up(); }
  bool answers() const override { return true; }
  bool Answer(const NetHeader& header, std::span<const iovec> frame) override;
  SendOutcome Send(QueuePair pair, NetHeader header, std::span<iovec> pieces) override {
    return network_->Send(pair, header, pieces);
  }
  Received Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) override;
  bool HoldsFrame(QueuePair pair) const override;
  std::optional<std::chrono::nanoseconds> NextFrameIn() const override {
    return responder_.NextIn();
  }

 private:
  // The service's next frame into `pieces`; nothing where there is none.
  std::optional<Received> ReceiveAnswer(NetHeader& header, std::span<const iovec> pieces);

  const std::unique_ptr<NetBackend> network_;
  mmds::Responder responder_;
  bool networks_turn_ = false;
  std::unique_ptr<std::byte[]> frame_;  // a copy of the guest's, made when first needed
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_METADATA_BACKEND_H_
