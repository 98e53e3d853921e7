#ifndef EMBER_TESTS_VIRTIO_DRIVER_VSOCK_DRIVER_H_
#define EMBER_TESTS_VIRTIO_DRIVER_VSOCK_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"

namespace ember::virtio::testing {

// As the specification prints it (virtio 1.2, 5.10.6): without a gap, little-endian.
struct __attribute__((packed)) VsockHeader {
  uint64_t src_cid = 0;
  uint64_t dst_cid = 0;
  uint32_t src_port = 0;
  uint32_t dst_port = 0;
  uint32_t len = 0;
  uint16_t type = 0;
  uint16_t op = 0;
  uint32_t flags = 0;
  uint32_t buf_alloc = 0;
  uint32_t fwd_cnt = 0;
};
static_assert(sizeof(VsockHeader) == 44);

inline constexpr uint16_t kVsockStream = 1;
inline constexpr uint16_t kVsockInvalid = 0;
inline constexpr uint16_t kVsockRequest = 1;
inline constexpr uint16_t kVsockResponse = 2;
inline constexpr uint16_t kVsockRst = 3;
inline constexpr uint16_t kVsockShutdown = 4;
inline constexpr uint16_t kVsockRw = 5;
inline constexpr uint16_t kVsockCreditUpdate = 6;
inline constexpr uint16_t kVsockCreditRequest = 7;
inline constexpr uint32_t kVsockShutdownReceive = 1;
inline constexpr uint32_t kVsockShutdownSend = 2;
inline constexpr uint32_t kVsockShutdownBoth = 3;

struct VsockReceived {
  VsockHeader header;
  std::string payload;
  uint32_t used_len = 0;
};

// The rings of a vsock driver over a Rig. It knows packets and no connections. One thread.
class VsockDriver {
 public:
  struct Options {
    uint64_t features = 0;
    uint16_t queue_size = 64;
    uint32_t rx_buffers = 32;  // offered from the start
    uint32_t rx_buffer_bytes = 4096;
    uint32_t tx_buffers = 8;
    uint32_t tx_buffer_bytes = 65536 + 44;
  };

  VsockDriver(Rig& rig, const Options& options);

  // Negotiates and enables the queues, from reset; Reset() and Start() begin anew.
  void Start();

  // Puts a packet into the tx ring. There must be a buffer; Kick() shows it.
  void Put(const VsockHeader& header, std::string_view payload = {});
  // The same with the header.len bytes that the buffer holds from before.
  void PutStale(const VsockHeader& header);
  bool can_put();
  void KickTx();
  // Put() and KickTx().
  void Send(const VsockHeader& header, std::string_view payload = {}) {
    Put(header, payload);
    KickTx();
  }

  // The next packet that came, its buffer offered again unless hold_rx() is set.
  std::optional<VsockReceived> Receive();
  // The same without a copy of the payload.
  std::optional<VsockHeader> ReceiveHeader();
  void OfferRx(GuestAddress buffer);
  void KickRx();
  void set_hold_rx(bool hold) { hold_rx_ = hold; }

  // Offers a buffer for an event, and the event that came.
  void OfferEvent(uint32_t len = 4);
  std::optional<uint32_t> TakeEvent();

  DriverRing& rx() { return rx_; }
  DriverRing& tx() { return tx_; }
  DriverRing& event() { return event_; }

 private:
  void ReclaimTx();
  GuestAddress TakeTxBuffer(const VsockHeader& header);
  void AddTx(GuestAddress at, uint32_t len);

  Rig& rig_;
  const Options options_;
  DriverRing rx_;
  DriverRing tx_;
  DriverRing event_;
  std::map<uint16_t, GuestAddress> rx_in_flight_;
  std::map<uint16_t, GuestAddress> tx_in_flight_;
  std::vector<GuestAddress> tx_free_;
  std::vector<GuestAddress> rx_buffers_;
  GuestAddress event_buffer_;
  bool hold_rx_ = false;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_VSOCK_DRIVER_H_
