#include "tests/api/guest_console.h"

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <variant>

#include "base/concat.h"

namespace ember::api {
namespace {

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

GuestConsole::GuestConsole(EventLoop& loop, const std::string& socket_path, Guest guest,
                           size_t log_bytes)
    : loop_(loop),
      guest_(guest),
      events_(*EventSet::Create()),
      port_(*virtio::ConsolePort::Create(
          {.name = "con", .socket_path = socket_path, .log_bytes = log_bytes}, 0, events_,
          metrics_)) {
  watch_.emplace(*loop.WatchReadable(events_.fd().get(), [this] { OnEvents(); }));
  port_->SetInputWanted(guest_ == Guest::kEchoes);
}

Result<vmm::Reply> GuestConsole::Perform(const vmm::DeviceAction& action) {
  if (const auto* attach = std::get_if<vmm::AttachConsole>(&action)) return Attach(*attach);
  if (const auto* resize = std::get_if<vmm::ResizeConsole>(&action)) {
    const MutexLock lock(mutex_);
    sizes_ += Concat(resize->resize.port.value_or("first"), " ", resize->resize.columns, "x",
                     resize->resize.rows, "\n");
  }
  return vmm::Reply{};
}

Result<vmm::Reply> GuestConsole::Attach(const vmm::AttachConsole& action) {
  if (action.port.value_or("con") != "con") return Error("console port is not there");
  std::optional<vmm::HandedSocket::Parts> parts = action.socket->Take();
  if (!parts) return Error("the client has gone");
  TRY(port_->Attach(std::move(parts->fd),
                    {.greeting = std::move(parts->greeting), .input = std::move(parts->input)}));
  loop_.Post([this] { OnEvents(); });
  return vmm::Reply{};
}

void GuestConsole::Write(std::string_view text) {
  port_->Write(BytesOf(text));
  port_->Flush();
}

void GuestConsole::OnEvents() {
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : events_.Poll(room)) port_->OnEvent(event);
  if (guest_ == Guest::kEchoes) Echo();
}

void GuestConsole::Echo() {
  std::array<char, 8192> bytes;
  while (port_->readable()) {
    iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const size_t count = port_->Read({&piece, 1});
    if (count > 0) Write({bytes.data(), count});
  }
}

std::string GuestConsole::sizes() const {
  const MutexLock lock(mutex_);
  return sizes_;
}

}  // namespace ember::api
