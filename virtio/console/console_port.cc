#include "virtio/console/console_port.h"

#include <algorithm>

#include "base/concat.h"
#include "base/log.h"

namespace ember::virtio {

Result<std::unique_ptr<ConsolePort>> ConsolePort::Create(const Options& options, uint8_t index,
                                                         EventSet& events,
                                                         ConsoleMetrics& metrics) {
  const uint64_t token = uint64_t{index} << kIndexShift;
  Fd output_file;
  if (options.output_path) output_file = TRY(CreateFile(*options.output_path));
  Acceptor acceptor = TRY(Acceptor::Create(options.socket_path, events, token));
  ResizeSocket resize_socket =
      TRY(ResizeSocket::Create(Concat(options.socket_path, ".ctl"), events, token | kResizeTokens));
  std::unique_ptr<ConsolePort> port(new ConsolePort(options, events, metrics, token,
                                                    std::move(acceptor), std::move(resize_socket)));
  port->output_file_ = std::move(output_file);
  return port;
}

ConsolePort::ConsolePort(const Options& options, EventSet& events, ConsoleMetrics& metrics,
                         uint64_t token, Acceptor acceptor, ResizeSocket resize_socket)
    : options_(options),
      events_(events),
      metrics_(metrics),
      token_(token),
      acceptor_(std::move(acceptor)),
      resize_socket_(std::move(resize_socket)),
      log_(std::max(options.log_bytes, kMinRingBytes)),
      next_token_(token + 1) {}

void ConsolePort::Write(std::span<const std::byte> bytes) {
  metrics_.output_bytes.Add(bytes.size());
  if (output_file_.valid() && !WriteAll(output_file_, bytes)) {
    metrics_.output_file_fails.Add();
    EMBER_LOG_LIMITED(kWarning, "console ", options_.name, ": output is lost to ",
                      *options_.output_path);
  }
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kFlushBytes - unflushed_bytes_);
    log_.Append(bytes.first(count));
    bytes = bytes.subspan(count);
    unflushed_bytes_ += count;
    if (unflushed_bytes_ == kFlushBytes) Flush();
  }
}

void ConsolePort::Flush() {
  if (std::exchange(unflushed_bytes_, 0) == 0) return;
  if (clients_.empty()) return;
  for (const auto& client : clients_) SendTo(*client);
  Tidy();
}

void ConsolePort::SendTo(ConsoleClient& client) {
  if (client.gone()) return;
  const Overrun overrun = is_console() ? Overrun::kNotice : Overrun::kDisconnect;
  const uint64_t lost = client.Send(log_, overrun);
  metrics_.lost_bytes.Add(lost);
  if (lost > 0 && overrun == Overrun::kDisconnect) metrics_.disconnected_clients.Add();
}

void ConsolePort::Tidy() {
  std::erase_if(clients_, [](const auto& client) { return client->finished(); });
  attached_ = 0;
  for (const auto& client : clients_) {
    if (!client->gone()) ++attached_;
    client->UpdateInterest(input_wanted_);
  }
  if (attached_ == reported_) return;
  const bool more = attached_ > reported_;
  reported_ = attached_;
  Report(more ? "console_attached" : "console_detached");
}

// Clients come and go as fast as they like: not more of it than of what a guest causes.
void ConsolePort::Report(std::string_view event) const {
  if (options_.journal == nullptr) return;
  options_.journal->AppendLimited(
      event, {{"port", options_.name}, {"clients", static_cast<uint64_t>(attached_)}});
}

void ConsolePort::SetInputWanted(bool wanted) {
  if (std::exchange(input_wanted_, wanted) == wanted) return;
  Tidy();
}

bool ConsolePort::readable() const {
  return std::ranges::any_of(clients_, [](const auto& client) { return client->readable(); });
}

size_t ConsolePort::Read(std::span<iovec> room) {
  size_t count = 0;
  for (size_t i = 0; i < clients_.size() && count == 0; ++i) {
    const size_t turn = (next_reader_ + i) % clients_.size();
    if (!clients_[turn]->readable()) continue;
    count = clients_[turn]->Receive(room);
    if (count > 0) next_reader_ = turn + 1;
  }
  metrics_.input_bytes.Add(count);
  if (count == 0) Tidy();
  return count;
}

void ConsolePort::OnEvent(const EventSet::Event& event) {
  if ((event.token & kResizeTokens) != 0) {
    if (const std::optional<ConsoleSize> size = resize_socket_.OnEvent(event)) {
      metrics_.resizes.Add();
      size_ = size;
    }
    return;
  }
  if (event.token == token_) return AcceptAll();
  const auto found = std::ranges::find_if(
      clients_, [&](const auto& client) { return client->token() == event.token; });
  if (found == clients_.end()) return;
  ConsoleClient& client = **found;
  if (event.readable) client.NoteReadable();
  if (event.hung_up) {
    client.HangUp();
  } else if (event.writable) {
    SendTo(client);
  }
  Tidy();
}

void ConsolePort::AcceptAll() {
  for (int i = 0; i < Acceptor::kMaxAtOnce; ++i) {
    std::optional<Fd> fd = acceptor_.Accept();
    if (!fd) break;
    // Refused, it finds its connection closed, and is counted.
    static_cast<void>(Add(*std::move(fd), {}).has_value());
  }
  Tidy();
}

Status ConsolePort::Attach(Fd fd, ConsoleOpening opening) {
  TRY(Add(std::move(fd), std::move(opening)));
  Tidy();
  return {};
}

Status ConsolePort::Add(Fd fd, ConsoleOpening opening) {
  if (clients_.size() >= kMaxClients) {
    for (const auto& client : clients_) client->LookWhetherGone();
    // One that only waits for the guest to take its last words makes place.
    const auto gone =
        std::ranges::find_if(clients_, [](const auto& client) { return client->gone(); });
    if (gone == clients_.end()) {
      metrics_.refused_clients.Add();
      return Error(Concat("console port ", options_.name, " has ", kMaxClients,
                          " clients, which is the limit"));
    }
    clients_.erase(gone);
  }
  const uint64_t kept = std::min<uint64_t>(options_.log_bytes, log_.end() - log_.begin());
  auto client = std::make_unique<ConsoleClient>(std::move(fd), next_token_++, events_,
                                                log_.end() - kept, std::move(opening));
  if (Status watched = client->Watch(); !watched) {
    metrics_.refused_clients.Add();
    return watched;
  }
  SendTo(*client);
  clients_.push_back(std::move(client));
  metrics_.attached_clients.Add();
  return {};
}

void ConsolePort::Resume() {
  acceptor_.Resume();
  resize_socket_.acceptor().Resume();
}

}  // namespace ember::virtio
