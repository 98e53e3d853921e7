#ifndef EMBER_VIRTIO_VSOCK_CREDIT_H_
#define EMBER_VIRTIO_VSOCK_CREDIT_H_

#include <linux/virtio_vsock.h>

#include <cstdint>

namespace ember::virtio {

// How much the guest's socket takes (virtio 1.2, 5.10.6.3), from what it says in each packet. The
// counts wrap. A plain value.
class GuestCredit {
 public:
  void Update(const virtio_vsock_hdr& header) {
    buf_alloc_ = header.buf_alloc;
    fwd_cnt_ = header.fwd_cnt;
  }
  void CountSent(uint32_t bytes) { sent_ += bytes; }
  // Bytes it has room for; none where what it says makes no sense.
  uint32_t available_bytes() const {
    const uint32_t in_flight = sent_ - fwd_cnt_;
    return in_flight < buf_alloc_ ? buf_alloc_ - in_flight : 0;
  }

 private:
  uint32_t buf_alloc_ = 0;
  uint32_t fwd_cnt_ = 0;
  uint32_t sent_ = 0;
};

// How much we take of the guest: a window of fixed size, and how far we have told it that the
// window has moved. A plain value.
class HostWindow {
 public:
  explicit HostWindow(uint32_t size_bytes) : size_bytes_(size_bytes) {}

  // Bytes have left for the host's socket.
  void CountForwarded(uint32_t bytes) { forwarded_ += bytes; }
  // Half the window moved and the guest does not know: it may have stopped, or will soon.
  bool news_is_due() const { return forwarded_ - told_ >= size_bytes_ / 2; }
  // Every packet tells.
  void Tell(virtio_vsock_hdr& header) {
    header.buf_alloc = size_bytes_;
    header.fwd_cnt = forwarded_;
    told_ = forwarded_;
  }

 private:
  uint32_t size_bytes_;
  uint32_t forwarded_ = 0;
  uint32_t told_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_CREDIT_H_
