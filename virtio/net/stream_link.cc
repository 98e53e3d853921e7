#include "virtio/net/stream_link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "base/retry_interrupted.h"

namespace ember::virtio {
namespace {

// A whole frame and its length always fit, and with it the reads go on.
static_assert(StreamLink::kBufferBytes > StreamLink::kLengthBytes + kMaxFrameBytes);

using LengthPrefix = std::array<std::byte, StreamLink::kLengthBytes>;

constexpr unsigned kBitsPerByte = 8;

LengthPrefix StoreLength(uint32_t length) {
  LengthPrefix bytes;
  for (size_t i = bytes.size(); i-- > 0; length >>= kBitsPerByte) {
    bytes[i] = static_cast<std::byte>(length);
  }
  return bytes;
}

uint32_t LoadLength(const std::byte* bytes) {
  uint32_t length = 0;
  for (size_t i = 0; i < StreamLink::kLengthBytes; ++i) {
    length = (length << kBitsPerByte) | static_cast<uint32_t>(bytes[i]);
  }
  return length;
}

size_t TotalBytes(std::span<const iovec> pieces) {
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

}  // namespace

Result<std::unique_ptr<StreamLink>> StreamLink::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error(Concat("socket_path of ", path.size(), " bytes is not between 1 and ",
                        sizeof(address.sun_path) - 1));
  }
  std::ranges::copy(path, address.sun_path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Error::FromErrno("socket");
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the call wants it
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    return Error::FromErrno("connect to", path);
  }
  return Adopt(std::move(socket), path);
}

Result<std::unique_ptr<StreamLink>> StreamLink::Adopt(Fd socket, std::string name) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return Error::FromErrno("socket", name);
  }
  return std::unique_ptr<StreamLink>(new StreamLink(std::move(socket), std::move(name)));
}

StreamLink::StreamLink(Fd socket, std::string name)
    : socket_(std::move(socket)),
      name_(std::move(name)),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kBufferBytes)) {
  rest_.reserve(kLengthBytes + kMaxFrameBytes);
}

Status StreamLink::Start(Features /*negotiated*/) {
  rest_is_callers_ = false;
  return {};
}

SendOutcome StreamLink::Send(QueuePair /*pair*/, NetHeader /*header*/, std::span<iovec> pieces) {
  if (!link_up_) return SendOutcome::kClosed;
  if (const SendOutcome rest = SendRest(); rest != SendOutcome::kSent) return rest;
  if (std::exchange(rest_is_callers_, false)) return SendOutcome::kSent;

  const size_t frame_bytes = TotalBytes(pieces.subspan(1));
  LengthPrefix length = StoreLength(static_cast<uint32_t>(frame_bytes));
  pieces.front() = {.iov_base = length.data(), .iov_len = length.size()};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  const ssize_t sent =
      RetryInterrupted([&] { return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL); });
  if (sent < 0) {
    const Failure failure = Judge("sendmsg");
    if (failure == Failure::kWouldBlock) return SendOutcome::kFull;
    return failure == Failure::kPassing ? SendOutcome::kRefused : SendOutcome::kClosed;
  }
  if (static_cast<size_t>(sent) == frame_bytes + length.size()) return SendOutcome::kSent;
  KeepRest(pieces, static_cast<size_t>(sent));
  rest_is_callers_ = true;
  return SendOutcome::kFull;
}

SendOutcome StreamLink::SendRest() {
  while (rest_sent_ < rest_.size()) {
    const std::span<const std::byte> left = std::span(rest_).subspan(rest_sent_);
    // sendmsg() only reads through the pointer.
    iovec piece{.iov_base = const_cast<std::byte*>(left.data()), .iov_len = left.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    const ssize_t sent =
        RetryInterrupted([&] { return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL); });
    if (sent < 0) {
      return Judge("sendmsg") == Failure::kFinal ? SendOutcome::kClosed : SendOutcome::kFull;
    }
    rest_sent_ += static_cast<size_t>(sent);
  }
  rest_.clear();
  rest_sent_ = 0;
  return SendOutcome::kSent;
}

void StreamLink::KeepRest(std::span<const iovec> pieces, size_t sent) {
  for (const iovec& piece : pieces) {
    const size_t gone = std::min(sent, piece.iov_len);
    sent -= gone;
    const auto* const bytes = static_cast<const std::byte*>(piece.iov_base);
    rest_.insert(rest_.end(), bytes + gone, bytes + piece.iov_len);
  }
}

Received StreamLink::Receive(QueuePair /*pair*/, NetHeader& header, std::span<iovec> pieces) {
  if (const ReceiveOutcome ready = MakeFrameReady(); ready != ReceiveOutcome::kFrame) {
    return {.outcome = ready};
  }
  const std::span<const std::byte> frame = BufferedFrame();
  header = {};
  size_t copied = 0;
  for (const iovec& piece : pieces.subspan(1)) {
    const size_t count = std::min(piece.iov_len, frame.size() - copied);
    if (count == 0) break;
    std::memcpy(piece.iov_base, frame.data() + copied, count);
    copied += count;
  }
  buffer_begin_ += kLengthBytes + frame.size();
  return {.outcome = ReceiveOutcome::kFrame, .frame_bytes = copied};
}

ReceiveOutcome StreamLink::MakeFrameReady() {
  if (LengthIsSound() && !HoldsFrame(QueuePair{0})) {
    const ReceiveOutcome filled = FillBuffer();
    if (filled != ReceiveOutcome::kFrame) return filled;
  }
  if (!LengthIsSound()) {
    TakeLinkDown(Concat("frame of ", NextLength(), " bytes exceeds the limit ", kMaxFrameBytes));
    return ReceiveOutcome::kClosed;
  }
  return HoldsFrame(QueuePair{0}) ? ReceiveOutcome::kFrame : ReceiveOutcome::kNone;
}

bool StreamLink::LengthIsSound() const {
  return buffered_bytes() < kLengthBytes || NextLength() <= kMaxFrameBytes;
}

bool StreamLink::HoldsFrame(QueuePair /*pair*/) const {
  return buffered_bytes() >= kLengthBytes && buffered_bytes() - kLengthBytes >= NextLength();
}

uint32_t StreamLink::NextLength() const { return LoadLength(buffer_.get() + buffer_begin_); }

std::span<const std::byte> StreamLink::BufferedFrame() const {
  return {buffer_.get() + buffer_begin_ + kLengthBytes, NextLength()};
}

ReceiveOutcome StreamLink::FillBuffer() {
  if (!link_up_) return ReceiveOutcome::kClosed;
  std::memmove(buffer_.get(), buffer_.get() + buffer_begin_, buffered_bytes());
  buffer_end_ -= std::exchange(buffer_begin_, 0);
  std::byte* const free = buffer_.get() + buffer_end_;
  const ssize_t received =
      RetryInterrupted([&] { return ::read(socket_.get(), free, kBufferBytes - buffer_end_); });
  if (received > 0) {
    buffer_end_ += static_cast<size_t>(received);
    return ReceiveOutcome::kFrame;
  }
  if (received == 0) {
    TakeLinkDown("closed the connection");
    return ReceiveOutcome::kClosed;
  }
  const Failure failure = Judge("read");
  if (failure == Failure::kWouldBlock) return ReceiveOutcome::kNone;
  return failure == Failure::kPassing ? ReceiveOutcome::kFailed : ReceiveOutcome::kClosed;
}

StreamLink::Failure StreamLink::Judge(std::string_view call) {
  if (errno == EAGAIN) return Failure::kWouldBlock;
  if (errno == ENOBUFS || errno == ENOMEM) return Failure::kPassing;
  TakeLinkDown(Error::FromErrno(call).message());
  return Failure::kFinal;
}

void StreamLink::TakeLinkDown(std::string_view why) {
  EMBER_LOG(kWarning, "network peer ", name_, ": ", why, "; the link is down");
  link_up_ = false;
  // The peer learns of it; the descriptor lives on, for others may be waiting for it.
  ::shutdown(socket_.get(), SHUT_RDWR);
  buffer_begin_ = buffer_end_ = 0;
}

}  // namespace ember::virtio
