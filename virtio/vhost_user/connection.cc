#include "virtio/vhost_user/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/socket_message.h"

namespace ember::virtio::vhost_user {
namespace {

static_assert(Connection::kMaxFds <= kMaxMessageDescriptors);

bool MayPass(const Error& error) {
  return error.error_number() == EAGAIN || error.error_number() == EINTR;
}

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
  const Result<size_t> count = SendMessage(socket_, rest, fds);
  if (count) {
    rest = rest.subspan(*count);
    fds = {};
    return {};
  }
  if (MayPass(count.error())) return {};
  return Error::FromErrorNumber("send to the back end", count.error().error_number());
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
    const Result<ReceivedMessage> message = ReceiveMessage(socket_, out);
    if (!message && MayPass(message.error())) continue;
    if (!message) {
      return Error::FromErrorNumber("receive from the back end", message.error().error_number());
    }
    if (const size_t fds = message->descriptors.size(); fds > 0) {
      return Error(Concat("the back end sends ", fds, " descriptors that nobody asked for"));
    }
    if (message->size_bytes == 0) return Error("the back end has closed the connection");
    out = out.subspan(message->size_bytes);
  }
  return {};
}

}  // namespace ember::virtio::vhost_user
