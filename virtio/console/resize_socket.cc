#include "virtio/console/resize_socket.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/concat.h"

namespace ember::virtio {

Result<ResizeSocket> ResizeSocket::Create(const std::string& path, EventSet& events,
                                          uint64_t token) {
  return ResizeSocket(TRY(Acceptor::Create(path, events, token)), events, token);
}

ResizeSocket::~ResizeSocket() {
  for (const auto& connection : connections_) events_->Remove(connection->fd.get());
}

std::optional<ConsoleSize> ResizeSocket::OnEvent(const EventSet::Event& event) {
  std::optional<ConsoleSize> size;
  if (event.token == token_) {
    AcceptAll();
    return size;
  }
  const auto found = std::ranges::find_if(
      connections_, [&](const auto& connection) { return connection->token == event.token; });
  if (found == connections_.end() || Read(**found, size)) return size;
  events_->Remove((*found)->fd.get());
  connections_.erase(found);
  return size;
}

void ResizeSocket::AcceptAll() {
  for (int i = 0; i < Acceptor::kMaxAtOnce; ++i) {
    std::optional<Fd> fd = acceptor_.Accept();
    if (!fd) return;
    if (connections_.size() >= kMaxConnections) continue;
    const uint64_t token = next_token_++;
    if (!events_->Add(fd->get(), EventSet::Interest::kReadable, token)) continue;
    connections_.push_back(
        std::make_unique<Connection>(Connection{.fd = *std::move(fd), .token = token, .line = {}}));
  }
}

bool ResizeSocket::Read(Connection& connection, std::optional<ConsoleSize>& size) {
  char* const rest = connection.line.data() + connection.length;
  const size_t room = connection.line.size() - connection.length;
  const ssize_t count = ::read(connection.fd.get(), rest, room);
  // Readable, it is called again for what is left, until the connection has ended.
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  connection.length += static_cast<size_t>(count);
  return TakeLines(connection, size) && connection.length < connection.line.size();
}

bool ResizeSocket::TakeLines(Connection& connection, std::optional<ConsoleSize>& size) {
  std::string_view text(connection.line.data(), connection.length);
  std::string answers;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const Result<ConsoleSize> parsed = ParseResizeLine(text.substr(0, end));
    answers += parsed ? "ok\n" : Concat("error: ", parsed.error().message(), "\n");
    if (parsed) size = *parsed;
    text.remove_prefix(end + 1);
  }
  std::memmove(connection.line.data(), text.data(), text.size());
  connection.length = text.size();
  if (answers.empty()) return true;
  iovec piece{.iov_base = answers.data(), .iov_len = answers.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const ssize_t sent = ::sendmsg(connection.fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(answers.size());
}

}  // namespace ember::virtio
