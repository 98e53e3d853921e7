#include "virtio/vhost_user/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/pass_fds.h"

namespace ember::virtio::vhost_user {
namespace {

// Takes ownership of every descriptor in the message. How many there were.
size_t CloseReceivedFds(msghdr& message) {
  size_t count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fds; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      Fd{fd}.Reset();
    }
    count += fds;
  }
  return count;
}

static_assert(Connection::kMaxFds <= kMaxPassedFds);

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Deadline::Deadline(std::chrono::milliseconds from_now) : end_(MonotonicClock().Now() + from_now) {}

int Deadline::RemainingMs() const {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(end_ - MonotonicClock().Now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

Result<Connection> Connection::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error(Concat("socket path \"", path, "\" has ", path.size(), " bytes; 1 to ",
                        sizeof(address.sun_path) - 1, " can be"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Error::FromErrno("socket");
  // Non-blocking: a back end that accepts nobody makes it fail with EAGAIN.
  if (::connect(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                sizeof(address)) < 0) {
    return Error::FromErrno("connect", path);
  }
  return Connection(std::move(socket));
}

Status Connection::Wait(short events, const Deadline& deadline) {
  for (;;) {
    pollfd waited{.fd = socket_.get(), .events = events, .revents = 0};
    const int ready = ::poll(&waited, 1, deadline.RemainingMs());
    if (ready > 0) return {};
    if (ready == 0) return Error("the back end does not answer in time");
    if (errno != EINTR) return Error::FromErrno("poll");
  }
}

Status Connection::Send(Request request, uint32_t flags, std::span<const std::byte> payload,
                        std::span<const int> fds, const Deadline& deadline) {
  EMBER_CHECK(payload.size() <= kMaxPayloadBytes && fds.size() <= kMaxFds);
  const Header header{.request = static_cast<uint32_t>(request),
                      .flags = kVersion | flags,
                      .payload_bytes = static_cast<uint32_t>(payload.size())};
  std::vector<std::byte> message(sizeof(header) + payload.size());
  std::memcpy(message.data(), &header, sizeof(header));
  std::ranges::copy(payload, message.begin() + sizeof(header));
  std::span<const std::byte> rest = message;
  while (!rest.empty()) {
    TRY(Wait(POLLOUT, deadline));
    TRY(SendPart(rest, fds));
  }
  return {};
}

// Drops from both what was sent: the descriptors go with the first byte.
Status Connection::SendPart(std::span<const std::byte>& rest, std::span<const int>& fds) {
  const ssize_t count = SendWithFds(socket_, rest, fds);
  if (count >= 0) {
    rest = rest.subspan(static_cast<size_t>(count));
    fds = {};
    return {};
  }
  if (WouldBlock(errno) || errno == EINTR) return {};
  return Error::FromErrno("send to the back end");
}

Status Connection::ReceiveReply(Request request, std::span<std::byte> out,
                                const Deadline& deadline) {
  Header header;
  TRY(Receive(std::as_writable_bytes(std::span(&header, 1)), deadline));
  if (header.request != static_cast<uint32_t>(request) ||
      (header.flags & (kVersionMask | kReplyFlag)) != (kVersion | kReplyFlag)) {
    return Error(Concat("the back end answers request ", static_cast<uint32_t>(request),
                        " with a message ", header.request, " of flags ", Hex{header.flags}));
  }
  if (header.payload_bytes != out.size()) {
    return Error(Concat("the back end answers request ", static_cast<uint32_t>(request), " with ",
                        header.payload_bytes, " bytes in place of ", out.size()));
  }
  return Receive(out, deadline);
}

Status Connection::Receive(std::span<std::byte> out, const Deadline& deadline) {
  while (!out.empty()) {
    TRY(Wait(POLLIN, deadline));
    iovec piece{.iov_base = out.data(), .iov_len = out.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && (WouldBlock(errno) || errno == EINTR)) continue;
    if (count < 0) return Error::FromErrno("receive from the back end");
    if (const size_t fds = CloseReceivedFds(message); fds > 0) {
      return Error(Concat("the back end sends ", fds, " descriptors that nobody asked for"));
    }
    if (count == 0) return Error("the back end has closed the connection");
    out = out.subspan(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace ember::virtio::vhost_user
