#ifndef EMBER_VIRTIO_VSOCK_CONNECTION_H_
#define EMBER_VIRTIO_VSOCK_CONNECTION_H_

#include <linux/virtio_vsock.h>

#include <cstdint>
#include <optional>
#include <span>

#include "base/event_set.h"
#include "base/fd.h"
#include "virtio/buffers.h"
#include "virtio/vsock/credit.h"
#include "virtio/vsock/metrics.h"
#include "virtio/vsock/transmit_buffer.h"

namespace ember::virtio {

// What tells the connections of one guest apart: its port and the host's.
struct ConnectionKey {
  uint32_t guest_port = 0;
  uint32_t host_port = 0;

  friend bool operator==(const ConnectionKey&, const ConnectionKey&) = default;
};

// One stream between a guest's vsock and a Unix socket: the protocol of virtio 1.2, 5.10.6 and no
// queues, tables or timers. Packets of the guest go in by TakePacket(), packets for it come out of
// MakePacket(); in between bytes go straight from and to the socket, and only those that the socket
// does not take are kept, at most `window_bytes`. After each call its owner asks what it wants now.
//
// A stream ends in either direction alone: the guest's SHUTDOWN becomes shutdown() when all before
// it has left, the socket's end becomes SHUTDOWN when all before it was read. It ends in both
// directions with an RST from one side or the other, and is then finished. The device's thread.
class Connection {
 public:
  enum class Origin : uint8_t {
    kHost,   // a client of ours wants it: the guest is asked, and the client told its answer
    kGuest,  // the guest wants it, and the socket is connected
  };
  // For what its owner should give it a limited time.
  enum class Wait : uint8_t {
    kNothing,
    kAnswer,  // the guest's, to REQUEST or to SHUTDOWN
    kDrain,   // the host's, to take what a guest sent that has gone
  };
  struct Options {
    ConnectionKey key;
    Origin origin = Origin::kGuest;
    uint32_t window_bytes = 0;
  };

  // `socket` is a connected non-blocking stream. Borrows the metrics for its life.
  Connection(Fd socket, const Options& options, VsockMetrics& metrics);

  const ConnectionKey& key() const { return key_; }
  // Not valid once closed.
  const Fd& socket() const { return socket_; }

  // How much the guest's socket takes, from its REQUEST.
  void TakeCredit(const virtio_vsock_hdr& header) { guest_credit_.Update(header); }
  // The guest's packet, stream type and from this connection's ports, with its payload.
  void TakePacket(const virtio_vsock_hdr& header, Buffers& payload);
  // The socket can be read, or has ended.
  void OnReadable() { readable_ = true; }
  // It can be written to, or nobody is there any more.
  void OnWritableOrGone(const EventSet::Event& event);
  // Ends it without ceremony, for both sides.
  void Kill();

  // Whether MakePacket() has something for the guest (it may turn out to be nothing).
  bool HasPacket() const;
  // The next packet for the guest, but for its CIDs, its payload read into the first header.len
  // bytes of `room`, which is used up.
  std::optional<virtio_vsock_hdr> MakePacket(Buffers& room);

  // What it waits for of its socket: to read, to write (kWritable) or only its end (kNone).
  bool wants_readable() const { return CanRead() && guest_credit_.available_bytes() > 0; }
  std::optional<EventSet::Interest> write_interest() const;
  Wait wait() const;
  // It has no use for its socket. The owner, which has to stop waiting for it first, closes it.
  bool socket_is_done() const { return state_ == State::kReset; }
  void CloseSocket() { socket_.Reset(); }
  // The guest knows that it has ended: forget it.
  bool finished() const { return finished_; }

 private:
  enum class State : uint8_t {
    kRequesting,  // the guest was not asked, or did not answer
    kOpen,
    kReset,  // over but for telling the guest
  };

  bool CanRead() const;
  void Accept();
  void TakeData(Buffers& payload);
  void TakeShutdown(uint32_t flags);
  void EndForProtocolError();
  void End();
  // Sends some of `pieces` to the socket. 0 also where it fails, which ends that direction.
  uint32_t Send(std::span<const iovec> pieces, Counter& failures);
  void Flush();
  // The guest's SHUTDOWN, once all before it has left.
  void ShutDownIfDrained();
  // The host takes no more: what is kept goes nowhere.
  void CloseHostIntake();
  std::optional<uint32_t> Read(Buffers& room);
  virtio_vsock_hdr HeaderOf(virtio_vsock_op op);

  const ConnectionKey key_;
  VsockMetrics& metrics_;
  Fd socket_;
  State state_;
  bool finished_ = false;
  bool request_sent_ = false;
  bool response_due_ = false;
  bool readable_ = false;
  bool credit_answer_due_ = false;
  bool credit_request_due_ = false;
  bool credit_requested_ = false;  // and the guest had no room since
  // VIRTIO_VSOCK_SHUTDOWN_…: what the guest said, what is true of the host, what the guest knows.
  uint32_t guest_shutdown_ = 0;
  uint32_t host_shutdown_ = 0;
  uint32_t told_shutdown_ = 0;
  GuestCredit guest_credit_;
  HostWindow window_;
  TransmitBuffer unsent_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_CONNECTION_H_
