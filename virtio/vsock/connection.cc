#include "virtio/vsock/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "base/unix_socket.h"
#include "virtio/vsock/connect_line.h"

namespace ember::virtio {
namespace {

constexpr uint32_t kReceive = VIRTIO_VSOCK_SHUTDOWN_RCV;
constexpr uint32_t kSend = VIRTIO_VSOCK_SHUTDOWN_SEND;
constexpr uint32_t kBothWays = kReceive | kSend;

bool IsForLater(int error_number) { return error_number == EAGAIN || error_number == EINTR; }

}  // namespace

Connection::Connection(Fd socket, const Options& options, VsockMetrics& metrics)
    : key_(options.key),
      metrics_(metrics),
      socket_(std::move(socket)),
      state_(options.origin == Origin::kHost ? State::kRequesting : State::kOpen),
      response_due_(options.origin == Origin::kGuest),
      window_(options.window_bytes),
      unsent_(options.window_bytes) {}

void Connection::TakePacket(const virtio_vsock_hdr& header, Buffers& payload) {
  if (header.op == VIRTIO_VSOCK_OP_RST) {
    finished_ = true;
    return;
  }
  if (state_ == State::kReset) return;  // it will hear of that
  guest_credit_.Update(header);
  if (guest_credit_.available_bytes() > 0) credit_requested_ = false;
  switch (header.op) {
    case VIRTIO_VSOCK_OP_RESPONSE:
      if (state_ != State::kRequesting || !request_sent_) return EndForProtocolError();
      return Accept();
    case VIRTIO_VSOCK_OP_RW:
      if (state_ != State::kOpen) return EndForProtocolError();
      return TakeData(payload);
    case VIRTIO_VSOCK_OP_SHUTDOWN:
      if (state_ != State::kOpen) return End();
      return TakeShutdown(header.flags);
    case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
      return;
    case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
      credit_answer_due_ = true;
      return;
    default:  // REQUEST among them: there is a connection already
      return EndForProtocolError();
  }
}

void Connection::Accept() {
  state_ = State::kOpen;
  std::string reply = ConnectReply(key_.host_port);
  const iovec piece{.iov_base = reply.data(), .iov_len = reply.size()};
  // A new socket has room for it, unless its client is gone.
  if (Send({&piece, 1}, metrics_.tx_write_fails) < reply.size()) Kill();
}

void Connection::TakeData(Buffers& payload) {
  const auto len = static_cast<uint32_t>(payload.size_bytes());
  const bool has_credit = len <= unsent_.capacity_bytes() - unsent_.size_bytes();
  if (!has_credit || (guest_shutdown_ & kSend) != 0) return EndForProtocolError();
  metrics_.tx_bytes_count.Add(len);
  if ((host_shutdown_ & kReceive) == 0 && unsent_.empty() && len > 0) {
    const uint32_t sent = Send(payload.pieces(), metrics_.tx_write_fails);
    window_.CountForwarded(sent);
    payload.DropFront(sent);
  }
  if ((host_shutdown_ & kReceive) != 0) {
    window_.CountForwarded(static_cast<uint32_t>(payload.size_bytes()));
  } else if (!payload.empty()) {
    unsent_.Append(payload);
  }
}

void Connection::TakeShutdown(uint32_t flags) {
  const uint32_t before = std::exchange(guest_shutdown_, guest_shutdown_ | (flags & kBothWays));
  // Whoever writes to the socket is to know.
  if ((guest_shutdown_ & ~before & kReceive) != 0) ::shutdown(socket_.get(), SHUT_RD);
  ShutDownIfDrained();
}

void Connection::ShutDownIfDrained() {
  if (!unsent_.empty() || state_ != State::kOpen) return;
  if (guest_shutdown_ == kBothWays) {
    End();
  } else if ((guest_shutdown_ & kSend) != 0) {
    ::shutdown(socket_.get(), SHUT_WR);
  }
}

uint32_t Connection::Send(std::span<const iovec> pieces, Counter& failures) {
  msghdr message{};
  // sendmsg() only reads through these pointers.
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<uint32_t>(sent);
  if (!IsForLater(errno)) {
    failures.Add();
    CloseHostIntake();
  }
  return 0;
}

void Connection::CloseHostIntake() {
  host_shutdown_ |= kReceive;
  window_.CountForwarded(unsent_.size_bytes());
  unsent_.Clear();
}

void Connection::Flush() {
  std::array<iovec, 2> room;
  const uint32_t sent = Send(unsent_.Pieces(room), metrics_.tx_flush_fails);
  window_.CountForwarded(sent);
  unsent_.DropFront(sent);
  ShutDownIfDrained();
}

void Connection::OnWritableOrGone(const EventSet::Event& event) {
  if (state_ != State::kOpen) return;
  if (!unsent_.empty()) {
    Flush();
  } else if (event.hung_up) {
    host_shutdown_ |= kSend;
    CloseHostIntake();
  }
}

bool Connection::CanRead() const {
  return state_ == State::kOpen && (host_shutdown_ & kSend) == 0 &&
         (guest_shutdown_ & kReceive) == 0;
}

std::optional<EventSet::Interest> Connection::write_interest() const {
  if (state_ != State::kOpen) return std::nullopt;
  if (!unsent_.empty()) return EventSet::Interest::kWritable;
  // Whoever is read from is heard of there.
  if (host_shutdown_ != kBothWays && !CanRead()) return EventSet::Interest::kNone;
  return std::nullopt;
}

Connection::Wait Connection::wait() const {
  if (state_ == State::kRequesting) return Wait::kAnswer;
  if (state_ == State::kReset) return Wait::kNothing;
  if (guest_shutdown_ == kBothWays) return Wait::kDrain;
  return told_shutdown_ == kBothWays ? Wait::kAnswer : Wait::kNothing;
}

void Connection::EndForProtocolError() {
  metrics_.conn_event_fails.Add();
  Kill();
}

void Connection::Kill() {
  if (state_ == State::kReset) return;
  metrics_.conns_killed.Add();
  // A guest that was not asked yet need not hear of it.
  if (state_ == State::kRequesting && !request_sent_) finished_ = true;
  End();
}

void Connection::End() {
  state_ = State::kReset;
  unsent_.Clear();
}

bool Connection::HasPacket() const {
  switch (state_) {
    case State::kReset:
      return !finished_;
    case State::kRequesting:
      return !request_sent_;
    case State::kOpen:
      break;
  }
  return response_due_ || host_shutdown_ != told_shutdown_ || (readable_ && wants_readable()) ||
         credit_request_due_ || credit_answer_due_ || window_.news_is_due();
}

std::optional<virtio_vsock_hdr> Connection::MakePacket(Buffers& room) {
  if (state_ == State::kReset) {
    finished_ = true;
    return HeaderOf(VIRTIO_VSOCK_OP_RST);
  }
  if (state_ == State::kRequesting) {
    request_sent_ = true;
    return HeaderOf(VIRTIO_VSOCK_OP_REQUEST);
  }
  if (std::exchange(response_due_, false)) return HeaderOf(VIRTIO_VSOCK_OP_RESPONSE);
  // Not before it knows that the host takes nothing: what is read may never end.
  if (host_shutdown_ == told_shutdown_ && readable_ && wants_readable()) {
    if (const std::optional<uint32_t> len = Read(room)) {
      virtio_vsock_hdr header = HeaderOf(VIRTIO_VSOCK_OP_RW);
      header.len = *len;
      return header;
    }
  }
  if (host_shutdown_ != told_shutdown_) {
    told_shutdown_ = host_shutdown_;
    virtio_vsock_hdr header = HeaderOf(VIRTIO_VSOCK_OP_SHUTDOWN);
    header.flags = told_shutdown_;
    return header;
  }
  if (std::exchange(credit_request_due_, false)) return HeaderOf(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
  if (credit_answer_due_ || window_.news_is_due()) {
    return HeaderOf(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
  }
  return std::nullopt;
}

std::optional<uint32_t> Connection::Read(Buffers& room) {
  room.KeepFront(guest_credit_.available_bytes());
  const ssize_t got =
      ::readv(socket_.get(), room.pieces().data(), static_cast<int>(room.pieces().size()));
  // Where it filled the room there may be more.
  readable_ = got > 0 && static_cast<uint64_t>(got) == room.size_bytes();
  if (got > 0) {
    const auto len = static_cast<uint32_t>(got);
    guest_credit_.CountSent(len);
    metrics_.rx_bytes_count.Add(len);
    if (guest_credit_.available_bytes() == 0 && !std::exchange(credit_requested_, true)) {
      credit_request_due_ = true;
    }
    return len;
  }
  if (got < 0 && IsForLater(errno)) return std::nullopt;
  if (got < 0) metrics_.rx_read_fails.Add();
  host_shutdown_ |= kSend;
  if (IsHungUp(socket_)) CloseHostIntake();
  return std::nullopt;
}

virtio_vsock_hdr Connection::HeaderOf(virtio_vsock_op op) {
  virtio_vsock_hdr header{};
  header.src_port = key_.host_port;
  header.dst_port = key_.guest_port;
  header.type = VIRTIO_VSOCK_TYPE_STREAM;
  header.op = static_cast<uint16_t>(op);
  credit_answer_due_ = false;
  window_.Tell(header);
  return header;
}

}  // namespace ember::virtio
