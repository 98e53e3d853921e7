#ifndef EMBER_VIRTIO_NET_NET_BACKEND_H_
#define EMBER_VIRTIO_NET_NET_BACKEND_H_

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "virtio/features.h"
#include "virtio/net/net_header.h"

namespace ember::virtio {

// Which pair of a receive and a transmit queue.
enum class QueuePair : uint16_t {};
constexpr uint16_t ToInteger(QueuePair pair) { return static_cast<uint16_t>(pair); }

enum class SendOutcome : uint8_t {
  kSent,     // the host has it
  kFull,     // not now: send the same frame again when the descriptor is writable
  kRefused,  // the host will not have this one
  kClosed,   // the link is down for good
};

enum class ReceiveOutcome : uint8_t {
  kFrame,
  kNone,    // not now: when the descriptor is readable
  kFailed,  // the host failed; it may work later
  kClosed,  // the link is down for good
};

struct Received {
  ReceiveOutcome outcome = ReceiveOutcome::kNone;
  size_t frame_bytes = 0;  // as many of it as there was room for
};

// The host's end of a network device: where frames go and come from, one at a time, each whole. It
// never waits. What stands between a device and the host (a service that answers some of the
// guest's frames itself) is a back end too, in front of another one.
//
// Thread safety: one thread at a time. A frame's pieces are read or written during the call only.
class NetBackend {
 public:
  virtual ~NetBackend() = default;

  // How many pairs of queues can be used at once; constant.
  virtual uint16_t queue_pairs() const = 0;
  // The features for checksums and segmentation that it can work with, of both directions;
  // constant.
  virtual Features offloads() const = 0;

  // Begins anew: frames for the driver come as `negotiated` allows, a frame that was kFull is
  // forgotten, and the first pair alone is in use.
  virtual Status Start(Features negotiated) = 0;
  // The first `count` pairs are in use, 1 to queue_pairs(). An error changes nothing of use.
  virtual Status UsePairs(uint16_t count) = 0;

  // Readable and writable as frames can be received and sent; of a pair in use. The same at all
  // times.
  virtual int fd(QueuePair pair) const = 0;
  // False from the first kClosed on.
  virtual bool link_up() const = 0;

  // Whether it answers some frames itself; constant. If not, Answer() and NextFrameIn() are never
  // called.
  virtual bool answers() const { return false; }
  // Takes a frame, as for Send(), if it is one of these: it is done with then, and no limit holds
  // for it.
  virtual bool Answer(const NetHeader& /*header*/, std::span<const iovec> /*frame*/) {
    return false;
  }

  // Sends the frame in `pieces` but the first of them, which is room for the back end to put
  // something before it. kMinFrameBytes to kMaxFrameBytes long, and true to `header`.
  virtual SendOutcome Send(QueuePair pair, NetHeader header, std::span<iovec> pieces) = 0;
  // Receives the next frame into `pieces` but the first, as above. What is too long for them, and
  // there is room for kMaxFrameBytes + 1, is lost. `header` is valid after kFrame.
  virtual Received Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) = 0;
  // Whether there is a frame of which the descriptor does not tell.
  virtual bool HoldsFrame(QueuePair /*pair*/) const { return false; }
  // How long until there is such a frame, though nothing is sent or comes; nothing: never.
  virtual std::optional<std::chrono::nanoseconds> NextFrameIn() const { return std::nullopt; }
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_NET_BACKEND_H_
