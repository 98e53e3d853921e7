#include "virtio/console/multiport.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/concat.h"

namespace ember::virtio {
namespace {

// virtio 1.2, 5.3.6.2: what follows the control structure of a RESIZE.
struct ResizeBody {
  uint16_t first;
  uint16_t second;
};
static_assert(sizeof(ResizeBody) == 4);
static_assert(sizeof(virtio_console_control) == 8);

}  // namespace

Multiport::Multiport(std::vector<Port> ports, ResizeOrder resize_order)
    : ports_(std::move(ports)), resize_order_(resize_order), states_(ports_.size()) {}

void Multiport::Reset() {
  std::ranges::fill(states_, State{});
  device_ready_ = false;
}

ConsoleState Multiport::Save() const {
  ConsoleState state{.device_ready = device_ready_, .ports = {}};
  for (size_t i = 0; i < ports_.size(); ++i) {
    state.ports.push_back({.phase = states_[i].phase,
                           .guest_open = states_[i].guest_open,
                           .host_open = ports_[i].host_open,
                           .marks = states_[i].marks,
                           .size = ports_[i].size});
  }
  return state;
}

Status Multiport::Restore(const ConsoleState& state) {
  if (state.ports.size() != ports_.size()) {
    return Error(
        Concat("the snapshot has ", state.ports.size(), " ports, the device ", ports_.size()));
  }
  for (size_t i = 0; i < ports_.size(); ++i) {
    const ConsolePortState& port = state.ports[i];
    const bool resizes = (port.marks & Mark(kResize)) != 0;
    if (port.marks >= Mark(kKinds) || (resizes && !port.size)) {
      return Error(Concat("port ", i, " has nothing to say of kinds ", port.marks));
    }
    states_[i] = {.phase = port.phase, .guest_open = port.guest_open, .marks = port.marks};
    ports_[i].host_open = port.host_open;
    ports_[i].size = port.size;
  }
  device_ready_ = state.device_ready;
  return {};
}

bool Multiport::OnMessage(const virtio_console_control& message) {
  if (message.event == VIRTIO_CONSOLE_DEVICE_READY) {
    if (device_ready_ || message.value != 1) return false;
    OnDeviceReady();
    return true;
  }
  if (message.id >= ports_.size()) return false;
  State& state = states_[message.id];
  switch (message.event) {
    case VIRTIO_CONSOLE_PORT_READY:
      return OnPortReady(message.id, message.value == 1);
    case VIRTIO_CONSOLE_PORT_OPEN:
      if (state.phase != Phase::kReady || message.value > 1) return false;
      state.guest_open = message.value == 1;
      return true;
    default:
      return false;
  }
}

void Multiport::OnDeviceReady() {
  device_ready_ = true;
  for (State& state : states_) state.marks = Mark(kAdd);
}

bool Multiport::OnPortReady(size_t port, bool success) {
  State& state = states_[port];
  if (state.phase != Phase::kAdded || !success) return false;
  state.phase = Phase::kReady;
  const Port& about = ports_[port];
  state.marks |= Mark(kName);
  if (about.is_console) state.marks |= Mark(kConsole);
  if (about.is_console && about.size) state.marks |= Mark(kResize);
  if (about.host_open) state.marks |= Mark(kOpen);
  return true;
}

void Multiport::SetHostOpen(size_t port, bool open) {
  if (std::exchange(ports_[port].host_open, open) == open) return;
  if (states_[port].phase == Phase::kReady) states_[port].marks |= Mark(kOpen);
}

void Multiport::SetSize(size_t port, ConsoleSize size) {
  if (ports_[port].size == size) return;
  ports_[port].size = size;
  if (states_[port].phase == Phase::kReady && ports_[port].is_console) {
    states_[port].marks |= Mark(kResize);
  }
}

std::optional<Multiport::Next> Multiport::FindNext() const {
  for (size_t port = 0; port < states_.size(); ++port) {
    for (uint8_t kind = 0; kind < kKinds; ++kind) {
      if ((states_[port].marks & Mark(Kind{kind})) != 0) return Next{port, Kind{kind}};
    }
  }
  return std::nullopt;
}

std::span<const std::byte> Multiport::NextMessage(
    std::span<std::byte, kMaxMessageBytes> room) const {
  const std::optional<Next> next = FindNext();
  if (!next) return {};
  const Port& port = ports_[next->port];
  virtio_console_control message{.id = static_cast<uint32_t>(next->port), .event = 0, .value = 1};
  const auto body = room.subspan(sizeof(message));
  size_t body_bytes = 0;
  switch (next->kind) {
    case kAdd:
      message.event = VIRTIO_CONSOLE_PORT_ADD;
      break;
    case kConsole:
      message.event = VIRTIO_CONSOLE_CONSOLE_PORT;
      break;
    case kName:
      message.event = VIRTIO_CONSOLE_PORT_NAME;
      body_bytes = std::min(port.name.size(), body.size());
      std::memcpy(body.data(), port.name.data(), body_bytes);
      break;
    case kResize: {
      message.event = VIRTIO_CONSOLE_RESIZE;
      ResizeBody size{.first = port.size->rows, .second = port.size->columns};
      if (resize_order_ == ResizeOrder::kColumnsFirst) std::swap(size.first, size.second);
      body_bytes = sizeof(size);
      std::memcpy(body.data(), &size, sizeof(size));
      break;
    }
    case kOpen:
    case kKinds:
      message.event = VIRTIO_CONSOLE_PORT_OPEN;
      message.value = port.host_open ? 1 : 0;
      break;
  }
  std::memcpy(room.data(), &message, sizeof(message));
  return room.first(sizeof(message) + body_bytes);
}

void Multiport::DropMessage() {
  const std::optional<Next> next = FindNext();
  if (!next) return;
  State& state = states_[next->port];
  state.marks = static_cast<uint8_t>(state.marks & ~Mark(next->kind));
  if (next->kind == kAdd) state.phase = Phase::kAdded;
}

}  // namespace ember::virtio
