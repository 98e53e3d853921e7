#ifndef EMBER_VIRTIO_NET_STREAM_LINK_H_
#define EMBER_VIRTIO_NET_STREAM_LINK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "virtio/net/net_backend.h"

namespace ember::virtio {

// A peer on a Unix stream socket, as passt and QEMU's stream network speak it: each frame after its
// length in 4 bytes, most significant first. No header of virtio's goes over it, so there are no
// offloads. One pair of queues. What is kept of a peer's bytes is bounded; a peer that goes away,
// or announces a frame longer than kMaxFrameBytes, takes the link down. Threads as NetBackend says.
class StreamLink final : public NetBackend {
 public:
  static constexpr size_t kLengthBytes = 4;
  // What is read from the socket at once, and kept at most.
  static constexpr size_t kBufferBytes = size_t{128} << 10;

  // Connects to the peer that listens at `path`. Errors name it.
  static Result<std::unique_ptr<StreamLink>> Connect(const std::string& path);
  // Takes a connected stream socket, which becomes non-blocking. `name` is for the log.
  static Result<std::unique_ptr<StreamLink>> Adopt(Fd socket, std::string name);

  uint16_t queue_pairs() const override { return 1; }
  Features offloads() const override { return {}; }
  Status Start(Features negotiated) override;
  Status UsePairs(uint16_t /*count*/) override { return {}; }
  int fd(QueuePair /*pair*/) const override { return socket_.get(); }
  bool link_up() const override { return link_up_; }
  SendOutcome Send(QueuePair pair, NetHeader header, std::span<iovec> pieces) override;
  Received Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) override;
  bool HoldsFrame(QueuePair pair) const override;

 private:
  StreamLink(Fd socket, std::string name);

  // kFrame where a whole frame is in the buffer, after one read at most.
  ReceiveOutcome MakeFrameReady();
  // False where the next frame's length is there and is none that a frame has.
  bool LengthIsSound() const;
  // Of the next frame, where it is in the buffer; without its length.
  uint32_t NextLength() const;
  std::span<const std::byte> BufferedFrame() const;
  size_t buffered_bytes() const { return buffer_end_ - buffer_begin_; }
  // Reads once. kFrame where something came.
  ReceiveOutcome FillBuffer();
  // Sends what is left of a frame that went out in part. kSent where nothing is.
  SendOutcome SendRest();
  void KeepRest(std::span<const iovec> pieces, size_t sent);
  // What became of a call that failed, as `errno` tells; where it is final, of the link too.
  enum class Failure : uint8_t { kWouldBlock, kPassing, kFinal };
  Failure Judge(std::string_view call);
  void TakeLinkDown(std::string_view why);

  const Fd socket_;
  const std::string name_;
  bool link_up_ = true;

  // Received and not handed on: [buffer_begin_, buffer_end_).
  const std::unique_ptr<std::byte[]> buffer_;
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;

  // Of a frame that went out in part, the rest: a copy, for the driver's buffers may go at any
  // time.
  std::vector<std::byte> rest_;
  size_t rest_sent_ = 0;
  bool rest_is_callers_ = false;  // who was told kFull, and will send that frame again
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_STREAM_LINK_H_
