#include "virtio/net/net_device.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

// Names in the event set: below kReceiveTimer those of pairs.
constexpr uint64_t kReceiveTimer = NetDevice::kMaxQueuePairs;
constexpr uint64_t kTransmitTimer = kReceiveTimer + 1;

constexpr std::chrono::nanoseconds kAtOnce{0};
constexpr std::chrono::milliseconds kAfterHostFailure{100};

// The configuration space ends where fields of features begin that are not offered.
constexpr size_t kConfigBytes = offsetof(virtio_net_config, speed);

Features Offered(const NetBackend& backend, const NetDevice::Options& options) {
  Features features = backend.offloads() | Features{VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_STATUS};
  if (options.address) features = features | Features{VIRTIO_NET_F_MAC};
  if (options.mtu) features = features | Features{VIRTIO_NET_F_MTU};
  if (backend.queue_pairs() > 1) {
    features = features | Features{VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ};
  }
  return features;
}

// Receive and transmit queue of each pair in turn, and the control queue (virtio 1.2, 5.1.2).
std::vector<QueueSize> QueueSizes(uint16_t queue_pairs) {
  std::vector<QueueSize> sizes(2 * size_t{queue_pairs}, NetDevice::kQueueSize);
  if (queue_pairs > 1) sizes.push_back(NetDevice::kControlQueueSize);
  return sizes;
}

QueueIndex ReceiveIndex(QueuePair pair) {
  return QueueIndex{static_cast<uint16_t>(2 * ToInteger(pair))};
}
QueueIndex TransmitIndex(QueuePair pair) {
  return QueueIndex{static_cast<uint16_t>(2 * ToInteger(pair) + 1)};
}

}  // namespace

NetDevice::Pair::Pair(QueuePair pair, const Traffic& receive, Queue receive_queue,
                      const Traffic& transmit, Queue transmit_queue,
                      std::optional<MacAddress> address)
    : number(pair),
      receiver(receive, pair, ReceiveIndex(pair), std::move(receive_queue)),
      transmitter(transmit, pair, TransmitIndex(pair), std::move(transmit_queue), address) {}

Result<std::unique_ptr<NetDevice>> NetDevice::Create(std::unique_ptr<NetBackend> backend,
                                                     const Options& options) {
  if (backend->queue_pairs() > kMaxQueuePairs) {
    return Error(
        Concat("queue_pairs ", backend->queue_pairs(), " exceeds the limit ", kMaxQueuePairs));
  }
  HostSide host_side{.events = TRY(EventSet::Create()),
                     .receive_timer = TRY(Timer::Create()),
                     .transmit_timer = TRY(Timer::Create())};
  const auto wait_for = [&](const Timer& timer, uint64_t token) {
    return host_side.events.Add(timer.fd().get(), EventSet::Interest::kReadable, token);
  };
  TRY(wait_for(host_side.receive_timer, kReceiveTimer));
  TRY(wait_for(host_side.transmit_timer, kTransmitTimer));
  return std::unique_ptr<NetDevice>(
      new NetDevice(std::move(backend), options, std::move(host_side)));
}

NetDevice::NetDevice(std::unique_ptr<NetBackend> backend, const Options& options,
                     HostSide host_side)
    : backend_(std::move(backend)),
      name_(Concat("net ", options.interface_id)),
      address_(options.address),
      clock_(*options.clock),
      offered_(Offered(*backend_, options)),
      queue_sizes_(QueueSizes(backend_->queue_pairs())),
      restored_(options.state.value_or(NetState{})),
      receive_limiter_(options.receive_limits, clock_.Now()),
      transmit_limiter_(options.transmit_limits, clock_.Now()),
      events_(std::move(host_side.events)),
      receive_retry_(std::move(host_side.receive_timer), clock_),
      transmit_retry_(std::move(host_side.transmit_timer), clock_) {
  // Not std::ranges::copy: g++ 12 with LTO takes it for a write beyond the field.
  if (address_) std::memcpy(config_.mac, address_->octets.data(), sizeof(config_.mac));
  config_.status = VIRTIO_NET_S_LINK_UP;
  if (backend_->queue_pairs() > 1) config_.max_virtqueue_pairs = backend_->queue_pairs();
  config_.mtu = options.mtu.value_or(0);
}

NetDevice::~NetDevice() {
  if (active_ != nullptr) NetDevice::Reset();
}

Traffic NetDevice::MakeTraffic(const Activation& activation, RateLimiter& limiter) {
  return {.backend = *backend_,
          .limiter = limiter,
          .metrics = metrics_,
          .clock = clock_,
          .memory = activation.memory,
          .driver = activation.driver,
          .features = activation.features,
          .backend_answers = backend_->answers()};
}

QueueIndex NetDevice::ControlIndex(Features negotiated) const {
  const uint16_t pairs = negotiated.Has(VIRTIO_NET_F_MQ) ? backend_->queue_pairs() : 1;
  return QueueIndex{static_cast<uint16_t>(2 * pairs)};
}

Status NetDevice::Activate(Activation activation) {
  const auto fail = [this](Error error) {
    metrics_.activate_fails.Add();
    return error;
  };
  if (!activation.queues[0] || !activation.queues[1]) {
    return fail(Error("the driver did not set up the first receive and transmit queue"));
  }
  if (Status started = backend_->Start(activation.features); !started) {
    return fail(std::move(started).error());
  }
  auto active = std::make_unique<Active>(Active{.driver = activation.driver});
  if (activation.features.Has(VIRTIO_NET_F_CTRL_VQ)) {
    const QueueIndex index = ControlIndex(activation.features);
    std::optional<Queue>& queue = activation.queues[ToInteger(index)];
    if (queue) {
      active->control.emplace(*std::move(queue), index, activation.driver,
                              [this](uint16_t count) { return UsePairs(count); });
    }
  }
  const Traffic receive = MakeTraffic(activation, receive_limiter_);
  const Traffic transmit = MakeTraffic(activation, transmit_limiter_);
  const uint16_t pairs = activation.features.Has(VIRTIO_NET_F_MQ) ? backend_->queue_pairs() : 1;
  for (uint16_t i = 0; i < pairs; ++i) {
    std::unique_ptr<Pair>& pair = active->pairs.emplace_back();
    const QueuePair number{i};
    std::optional<Queue>& in = activation.queues[ToInteger(ReceiveIndex(number))];
    std::optional<Queue>& out = activation.queues[ToInteger(TransmitIndex(number))];
    if (!in || !out) continue;
    pair = std::make_unique<Pair>(number, receive, *std::move(in), transmit, *std::move(out),
                                  address_);
  }
  active_ = std::move(active);
  return {};
}

void NetDevice::Reset() {
  StopWaiting();
  active_.reset();
}

Status NetDevice::ComeToRest() {
  for (const std::unique_ptr<Pair>& pair : active_->pairs) {
    if (pair == nullptr) continue;
    pair->receiver.ComeToRest();
    pair->transmitter.ComeToRest();
  }
  return {};
}

NetState NetDevice::Save() const {
  return {.used_pairs = active_ == nullptr ? uint16_t{1} : active_->used_pairs,
          .link_up = (config_.status & VIRTIO_NET_S_LINK_UP) != 0};
}

Status NetDevice::OnRestored() {
  if (restored_.used_pairs != 1 && !UsePairs(restored_.used_pairs)) {
    return Error(Concat("its driver uses ", restored_.used_pairs,
                        " pairs of queues, and the back end does not"));
  }
  if (!restored_.link_up) active_->driver.ConfigChanged();
  return {};
}

void NetDevice::StopWaiting() {
  for (const std::unique_ptr<Pair>& pair : active_->pairs) {
    if (pair != nullptr) Unwatch(*pair);
  }
  receive_retry_.Clear();
  transmit_retry_.Clear();
}

void NetDevice::Break() {
  active_->broken = true;
  StopWaiting();
}

NetDevice::Pair* NetDevice::UsedPair(size_t number) {
  return number < active_->used_pairs ? active_->pairs[number].get() : nullptr;
}

bool NetDevice::UsePairs(uint16_t count) {
  if (count == 0 || count > active_->pairs.size()) return false;
  const auto first = active_->pairs.begin();
  if (std::find(first, first + count, nullptr) != first + count) return false;
  if (const Status used = backend_->UsePairs(count); !used) {
    EMBER_LOG_LIMITED(kWarning, name_, ": ", used.error().message());
    return false;
  }
  for (size_t i = count; i < active_->used_pairs; ++i) Unwatch(*active_->pairs[i]);
  active_->used_pairs = count;
  receive_retry_.After(kAtOnce);
  transmit_retry_.After(kAtOnce);
  return true;
}

Progress NetDevice::OnNotify(QueueIndex queue) {
  if (active_->broken) return Progress::kDone;
  const uint16_t index = ToInteger(queue);
  if (active_->control && index == ToInteger(active_->control->index())) return Control();
  Pair* const pair = UsedPair(index / 2);
  if (pair == nullptr) return Progress::kDone;
  if (queue == ReceiveIndex(pair->number)) {
    metrics_.rx_queue_event_count.Add();
    Receive(*pair);
  } else {
    metrics_.tx_queue_event_count.Add();
    Transmit(*pair);
  }
  NoticeLink();
  return Progress::kDone;
}

Progress NetDevice::Control() {
  switch (active_->control->Work()) {
    case ControlQueue::Outcome::kDone:
      return Progress::kDone;
    case ControlQueue::Outcome::kMore:
      return Progress::kMore;
    case ControlQueue::Outcome::kBreach:
      break;
  }
  Break();
  return Progress::kDone;
}

void NetDevice::Receive(Pair& pair) {
  const Rest rest = pair.receiver.Work();
  pair.awaits_frames = rest == Rest::kBackend;
  pair.receive_throttled = rest == Rest::kThrottled;
  if (rest == Rest::kBreach) return Break();
  if (rest == Rest::kBudget) receive_retry_.After(kAtOnce);
  if (rest == Rest::kHostFailure) receive_retry_.After(kAfterHostFailure);
  if (rest == Rest::kThrottled) receive_retry_.After(pair.receiver.ThrottledFor());
  Watch(pair);
  AwaitAnswer(pair);
}

void NetDevice::Transmit(Pair& pair) {
  const Rest rest = pair.transmitter.Work();
  pair.awaits_room = rest == Rest::kBackend;
  pair.transmit_throttled = rest == Rest::kThrottled;
  if (rest == Rest::kBreach) return Break();
  if (rest == Rest::kBudget) transmit_retry_.After(kAtOnce);
  if (rest == Rest::kThrottled) transmit_retry_.After(pair.transmitter.ThrottledFor());
  Watch(pair);
  // An answer that the back end itself gives to what was sent.
  if (pair.awaits_frames && backend_->HoldsFrame(pair.number)) return Receive(pair);
  AwaitAnswer(pair);
}

void NetDevice::AwaitAnswer(const Pair& pair) {
  if (!backend_->answers() || !pair.awaits_frames) return;
  if (const auto delay = backend_->NextFrameIn()) receive_retry_.After(*delay);
}

void NetDevice::OnHostEvents() {
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : events_.Poll(room)) {
    if (active_ == nullptr || active_->broken) return;
    if (event.token == kReceiveTimer) {
      ReceiveAll();
    } else if (event.token == kTransmitTimer) {
      TransmitAll();
    } else if (Pair* const pair = UsedPair(event.token)) {
      OnPairEvent(*pair, event);
    }
  }
  if (active_ != nullptr && !active_->broken) NoticeLink();
}

void NetDevice::OnPairEvent(Pair& pair, const EventSet::Event& event) {
  if (event.readable || event.hung_up) {
    metrics_.rx_tap_event_count.Add();
    Receive(pair);
  }
  if (!active_->broken && (event.writable || event.hung_up)) Transmit(pair);
  // Told of a hang-up whatever it waits for, and perhaps not ready for what there is to read before
  // the end: it waits again with its next turn.
  if (event.hung_up) Unwatch(pair);
}

void NetDevice::ReceiveAll() {
  receive_retry_.Clear();
  for (uint16_t i = 0; i < active_->used_pairs && !active_->broken; ++i) {
    Pair* const pair = UsedPair(i);
    if (pair == nullptr) continue;
    if (pair->receive_throttled) metrics_.rx_event_rate_limiter_count.Add();
    Receive(*pair);
  }
}

void NetDevice::TransmitAll() {
  transmit_retry_.Clear();
  for (uint16_t i = 0; i < active_->used_pairs && !active_->broken; ++i) {
    Pair* const pair = UsedPair(i);
    if (pair == nullptr) continue;
    if (pair->transmit_throttled) metrics_.tx_rate_limiter_event_count.Add();
    Transmit(*pair);
  }
}

void NetDevice::Watch(Pair& pair) {
  if (!backend_->link_up()) return Unwatch(pair);
  const auto interest = static_cast<EventSet::Interest>(
      (pair.awaits_frames ? static_cast<uint32_t>(EventSet::Interest::kReadable) : 0) |
      (pair.awaits_room ? static_cast<uint32_t>(EventSet::Interest::kWritable) : 0));
  if (pair.watched == interest) return;
  const int fd = backend_->fd(pair.number);
  const uint64_t token = ToInteger(pair.number);
  const Status watched =
      pair.watched ? events_.Change(fd, interest, token) : events_.Add(fd, interest, token);
  if (watched) {
    pair.watched = interest;
    return;
  }
  metrics_.event_fails.Add();
  EMBER_LOG_LIMITED(kError, name_, ": ", watched.error().message());
}

void NetDevice::Unwatch(Pair& pair) {
  if (pair.watched) events_.Remove(backend_->fd(pair.number));
  pair.watched.reset();
}

void NetDevice::NoticeLink() {
  const bool told = (config_.status & VIRTIO_NET_S_LINK_UP) == 0;
  if (told || backend_->link_up()) return;
  EMBER_LOG(kWarning, name_, ": the link is down");
  config_.status = 0;
  active_->driver.ConfigChanged();
  if (active_->broken) return;
  for (const std::unique_ptr<Pair>& pair : active_->pairs) {
    if (pair != nullptr) Unwatch(*pair);
  }
  // Frames that waited for the host go the way of all others now.
  transmit_retry_.After(kAtOnce);
}

void NetDevice::UpdateLimits(const RateLimiterOptions& receive,
                             const RateLimiterOptions& transmit) {
  receive_limiter_.Update(receive, clock_.Now());
  transmit_limiter_.Update(transmit, clock_.Now());
  if (active_ == nullptr || active_->broken) return;
  receive_retry_.After(kAtOnce);
  transmit_retry_.After(kAtOnce);
}

void NetDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)).first(kConfigBytes), offset, out);
}

void NetDevice::WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  metrics_.cfg_fails.Add();
}

}  // namespace ember::virtio
