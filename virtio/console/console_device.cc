#include "virtio/console/console_device.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/concat.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

constexpr uint64_t kTimerToken = ~uint64_t{0};
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr size_t kControlQueueCount = 2;

// Port 0 has queues 0 and 1, the control queues are 2 and 3, port 1 has 4 and 5 (virtio 1.2,
// 5.3.2).
size_t ReceiveQueueOf(size_t port) { return port == 0 ? 0 : 2 * port + kControlQueueCount; }

std::optional<Queue> TakeQueue(Activation& activation, size_t index) {
  return std::exchange(activation.queues[index], std::nullopt);
}

}  // namespace

Result<std::unique_ptr<ConsoleDevice>> ConsoleDevice::Create(const Options& options) {
  if (options.ports.empty() || options.ports.size() > kMaxPorts) {
    return Error(Concat("a console with ", options.ports.size(), " ports, not 1 to ", kMaxPorts));
  }
  EventSet events = TRY(EventSet::Create());
  Timer again = TRY(Timer::Create());
  TRY(events.Add(again.fd().get(), EventSet::Interest::kReadable, kTimerToken));
  std::unique_ptr<ConsoleDevice> device(new ConsoleDevice(std::move(events), std::move(again)));
  std::vector<Multiport::Port> about;
  for (const ConsolePort::Options& port_options : options.ports) {
    const auto index = static_cast<uint8_t>(device->ports_.size());
    device->ports_.push_back(
        TRY_CONTEXT(ConsolePort::Create(port_options, index, device->events_, device->metrics_),
                    port_options.name));
    const ConsolePort& port = *device->ports_.back();
    about.push_back({.name = port.name(),
                     .is_console = port.is_console(),
                     .host_open = port.open(),
                     .size = std::nullopt});
  }
  device->multiport_.emplace(std::move(about), options.resize_order);
  device->config_.max_nr_ports = static_cast<uint32_t>(options.ports.size());
  device->queue_sizes_.assign(2 * options.ports.size() + kControlQueueCount, kQueueSize);
  device->queue_sizes_[ToInteger(ControlQueues::kReceive)] = kControlQueueSize;
  device->queue_sizes_[ToInteger(ControlQueues::kTransmit)] = kControlQueueSize;
  if (options.state) TRY_CONTEXT(device->Restore(*options.state), "console");
  return device;
}

Status ConsoleDevice::Restore(const ConsoleState& state) {
  TRY(multiport_->Restore(state));
  for (size_t i = 0; i < ports_.size(); ++i) multiport_->SetHostOpen(i, ports_[i]->open());
  const std::optional<ConsoleSize> size = multiport_->size(0);
  config_.cols = size.value_or(ConsoleSize{}).columns;
  config_.rows = size.value_or(ConsoleSize{}).rows;
  return {};
}

ConsoleDevice::ConsoleDevice(EventSet events, Timer again)
    : events_(std::move(events)), again_(std::move(again)) {}

ConsoleDevice::~ConsoleDevice() {
  if (active_ != nullptr) ConsoleDevice::Reset();
}

Features ConsoleDevice::offered_features() const {
  return {VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_MULTIPORT, VIRTIO_CONSOLE_F_EMERG_WRITE};
}

Status ConsoleDevice::Activate(Activation activation) {
  const bool multiport = activation.features.Has(VIRTIO_CONSOLE_F_MULTIPORT);
  std::optional<Queue> control_receive = TakeQueue(activation, ToInteger(ControlQueues::kReceive));
  std::optional<Queue> control_transmit =
      TakeQueue(activation, ToInteger(ControlQueues::kTransmit));
  if (multiport && (!control_receive || !control_transmit)) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the control queues");
  }
  active_.reset(
      new Active{.driver = activation.driver,
                 .multiport = multiport,
                 .control = ControlQueues(std::move(control_receive), std::move(control_transmit),
                                          activation.driver, *multiport_, metrics_),
                 .ports = {}});
  const size_t port_count = multiport ? ports_.size() : 1;
  for (size_t i = 0; i < port_count; ++i) {
    const size_t receive = ReceiveQueueOf(i);
    const PortQueues::Options options{
        .receive_index = QueueIndex{static_cast<uint16_t>(receive)},
        .transmit_index = QueueIndex{static_cast<uint16_t>(receive + 1)},
        .driver = activation.driver,
        .port = *ports_[i]};
    active_->ports.push_back(std::make_unique<PortQueues>(options, TakeQueue(activation, receive),
                                                          TakeQueue(activation, receive + 1)));
  }
  return {};
}

std::optional<size_t> ConsoleDevice::FindPort(std::string_view name) const {
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i]->name() == name) return i;
  }
  return std::nullopt;
}

// What follows from it for the guest is seen to on the device's own thread.
Status ConsoleDevice::Attach(size_t port, Fd fd, ConsoleOpening opening) {
  TRY(ports_[port]->Attach(std::move(fd), std::move(opening)));
  again_.Arm(std::chrono::nanoseconds::zero());
  return {};
}

void ConsoleDevice::Resize(size_t port, ConsoleSize size) {
  metrics_.resizes.Add();
  SetSize(port, size);
  again_.Arm(std::chrono::nanoseconds::zero());
}

void ConsoleDevice::Reset() {
  for (const auto& port : ports_) port->SetInputWanted(false);
  active_.reset();
  multiport_->Reset();
}

Status ConsoleDevice::ComeToRest() {
  active_->control.ComeToRest();
  for (const auto& port : active_->ports) port->ComeToRest();
  return {};
}

Progress ConsoleDevice::Note(QueueIndex queue, const OrBreach<Progress>& work) {
  if (work) return *work;
  active_->broken = true;
  for (const auto& port : ports_) port->SetInputWanted(false);
  active_->driver.NeedsReset(queue, work.error());
  return Progress::kDone;
}

Progress ConsoleDevice::OnNotify(QueueIndex queue) {
  if (active_->broken) return Progress::kDone;
  if (queue == ControlQueues::kReceive || queue == ControlQueues::kTransmit) {
    return active_->multiport ? Converse() : Progress::kDone;
  }
  const size_t index = ToInteger(queue);
  return OnPortNotify(index < kControlQueueCount ? 0 : index / 2 - 1, queue);
}

Progress ConsoleDevice::OnPortNotify(size_t port, QueueIndex queue) {
  if (port >= active_->ports.size()) return Progress::kDone;
  if (queue == active_->ports[port]->receive_index()) return PassInput(port);
  return Note(queue, active_->ports[port]->Transmit());
}

Progress ConsoleDevice::Converse() {
  const Progress listened = Note(ControlQueues::kTransmit, active_->control.Listen());
  if (active_->broken) return Progress::kDone;
  const Progress spoke = Note(ControlQueues::kReceive, active_->control.Speak());
  // A port that was opened may have input waiting for that.
  bool more = listened == Progress::kMore || spoke == Progress::kMore;
  for (size_t i = 0; i < active_->ports.size() && !active_->broken; ++i) {
    more = PassInput(i) == Progress::kMore || more;
  }
  return more ? Progress::kMore : Progress::kDone;
}

Progress ConsoleDevice::PassInput(size_t port) {
  PortQueues& queues = *active_->ports[port];
  if (active_->multiport && !multiport_->guest_open(port)) {
    ports_[port]->SetInputWanted(false);
    const OrBreach<Drained> taken = queues.TakeRoom();
    if (taken) return Progress::kDone;
    return Note(queues.receive_index(), tl::unexpected(taken.error()));
  }
  return Note(queues.receive_index(), queues.Receive());
}

void ConsoleDevice::OnHostEvents() {
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : events_.Poll(room)) {
    if (event.token != kTimerToken) {
      ports_[ConsolePort::IndexOf(event.token)]->OnEvent(event);
      continue;
    }
    again_.Disarm();
    for (const auto& port : ports_) port->Resume();
  }
  for (size_t i = 0; i < ports_.size(); ++i) TakeChanges(i);
  bool more = false;
  if (active_ != nullptr && !active_->broken && active_->multiport) {
    more = Note(ControlQueues::kReceive, active_->control.Speak()) == Progress::kMore;
  }
  for (size_t i = 0; active_ != nullptr && !active_->broken && i < active_->ports.size(); ++i) {
    if (ports_[i]->readable()) more = PassInput(i) == Progress::kMore || more;
  }
  const bool silent = std::ranges::any_of(ports_, [](const auto& port) { return port->silent(); });
  if (silent) again_.Arm(kAcceptRetry);
  if (more) again_.Arm(std::chrono::nanoseconds::zero());
}

void ConsoleDevice::TakeChanges(size_t port) {
  multiport_->SetHostOpen(port, ports_[port]->open());
  const std::optional<ConsoleSize> size = ports_[port]->TakeSize();
  if (size) SetSize(port, *size);
}

void ConsoleDevice::SetSize(size_t port, ConsoleSize size) {
  multiport_->SetSize(port, size);
  if (port != 0) return;
  config_.cols = size.columns;
  config_.rows = size.rows;
  if (active_ != nullptr) active_->driver.ConfigChanged();
}

void ConsoleDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void ConsoleDevice::WriteConfig(uint64_t offset, std::span<const std::byte> in) {
  if (offset != offsetof(virtio_console_config, emerg_wr) || in.empty()) return;
  metrics_.emergency_writes.Add();
  ports_[0]->Write(in.first(1));
  ports_[0]->Flush();
}

}  // namespace ember::virtio
