#include "virtio/vsock/reception.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/log.h"

namespace ember::virtio {

Result<std::unique_ptr<Reception>> Reception::Create(const std::string& path,
                                                     VsockMetrics& metrics) {
  EventSet events = TRY(EventSet::Create());
  UnixListener listener = TRY(UnixListener::Bind(path));
  return std::unique_ptr<Reception>(new Reception(std::move(events), std::move(listener), metrics));
}

void Reception::Open() {
  open_ = true;
  WatchListener();
}

void Reception::Close() {
  open_ = false;
  retry_at_.reset();
  while (Client* const client = by_age_.front()) Drop(*client);
  WatchListener();
}

void Reception::WatchListener() {
  const bool wanted = open_ && !retry_at_ && clients_.size() < kMaxClients;
  if (wanted == listening_) return;
  listening_ = wanted;
  if (!wanted) return events_.Remove(listener_.fd().get());
  const Status added =
      events_.Add(listener_.fd().get(), EventSet::Interest::kReadable, kListenerToken);
  if (added) return;
  listening_ = false;
  metrics_.muxer_event_fails.Add();
  EMBER_LOG_LIMITED(kError, "vsock: ", added.error().message());
}

std::vector<Reception::Guest> Reception::Process(Nanoseconds now) {
  std::vector<Guest> done;
  if (retry_at_ && now >= *retry_at_) retry_at_.reset();
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : events_.Poll(room)) {
    if (event.token == kListenerToken) {
      LetIn(now);
    } else if (const auto found = clients_.find(event.token); found != clients_.end()) {
      if (std::optional<Guest> guest = Hear(*found->second)) done.push_back(*std::move(guest));
    }
  }
  while (Client* const oldest = by_age_.front()) {
    if (now < oldest->since + patience()) break;
    metrics_.muxer_event_fails.Add();
    Drop(*oldest);
  }
  WatchListener();
  return done;
}

void Reception::LetIn(Nanoseconds now) {
  for (size_t i = 0; i < kMaxAcceptsPerWakeUp && clients_.size() < kMaxClients; ++i) {
    Result<Fd> socket = listener_.Accept();
    if (socket) {
      Admit(*std::move(socket), now);
      continue;
    }
    const int error_number = socket.error().error_number();
    if (error_number == ECONNABORTED || error_number == EINTR) continue;
    if (error_number == EAGAIN) return;
    metrics_.muxer_event_fails.Add();
    EMBER_LOG_LIMITED(kError, "vsock: ", socket.error().message());
    retry_at_ = now + kAcceptRetry;
    return;
  }
}

void Reception::Admit(Fd socket, Nanoseconds now) {
  const uint64_t token = ++last_token_;
  if (!events_.Add(socket.get(), EventSet::Interest::kReadable, token)) {
    metrics_.muxer_event_fails.Add();
    return;
  }
  auto client = std::make_unique<Client>();
  client->token = token;
  client->socket = std::move(socket);
  client->since = now;
  by_age_.PushBack(*client);
  clients_.emplace(token, std::move(client));
}

// Takes from the socket what belongs to the line and no more.
Reception::Heard Reception::Listen(Client& client) {
  const int fd = client.socket.get();
  char* const end = client.line.data() + client.line_bytes;
  iovec room{.iov_base = end, .iov_len = client.line.size() - client.line_bytes};
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  const ssize_t seen = ::recvmsg(fd, &message, MSG_PEEK);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::kPart;
  if (seen <= 0) return Heard::kGarbage;
  const std::string_view news(end, static_cast<size_t>(seen));
  const size_t newline = news.find('\n');
  const bool whole = newline != std::string_view::npos;
  const size_t taken = whole ? newline + 1 : news.size();
  if (::read(fd, end, taken) != static_cast<ssize_t>(taken)) return Heard::kGarbage;
  client.line_bytes += taken;
  if (whole) return Heard::kWholeLine;
  return client.line_bytes < client.line.size() ? Heard::kPart : Heard::kGarbage;
}

std::optional<Reception::Guest> Reception::Hear(Client& client) {
  const Heard heard = Listen(client);
  if (heard == Heard::kPart) return std::nullopt;
  std::optional<uint32_t> port;
  if (heard == Heard::kWholeLine) {
    port = ParseConnectLine(std::string_view(client.line.data(), client.line_bytes - 1));
  }
  std::optional<Guest> guest;
  if (port) {
    events_.Remove(client.socket.get());
    guest = Guest{.socket = std::move(client.socket), .port = *port};
  } else {
    metrics_.muxer_event_fails.Add();
  }
  Drop(client);
  return guest;
}

void Reception::Drop(Client& client) {
  if (client.socket.valid()) events_.Remove(client.socket.get());
  by_age_.Remove(client);
  clients_.erase(client.token);
}

std::optional<Reception::Nanoseconds> Reception::deadline() const {
  std::optional<Nanoseconds> first = retry_at_;
  if (const Client* const oldest = by_age_.front()) {
    const Nanoseconds patience_ends = oldest->since + patience();
    first = std::min(first.value_or(patience_ends), patience_ends);
  }
  return first;
}

}  // namespace ember::virtio
