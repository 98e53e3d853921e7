#include "mmds/tcp_server.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace ember::mmds {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

static_assert(TcpConnection::kReceiveBytes <= GuestService::kMaxHeadBytes);

}  // namespace

TcpServer::Slot* TcpServer::Find(const Peer& peer) {
  const auto found = std::ranges::find_if(slots_, [&peer](const Slot& slot) {
    return slot != nullptr && slot->peer.port == peer.port && slot->peer.address == peer.address;
  });
  return found == slots_.end() ? nullptr : &*found;
}

void TcpServer::Receive(const Peer& peer, const TcpSegment& segment, std::chrono::nanoseconds now) {
  Slot* const slot = segment.destination_port == kPort ? Find(peer) : nullptr;
  if (slot == nullptr) {
    const bool opens = segment.destination_port == kPort && segment.Has(TcpFlags::kSyn) &&
                       !segment.Has(TcpFlags::kAck) && !segment.Has(TcpFlags::kRst);
    return opens ? Open(peer, segment, now) : AddReset(peer, segment);
  }
  TcpConnection& tcp = (*slot)->tcp;
  tcp.Receive(segment, now);
  Serve(tcp);
  if (tcp.ended()) Remove(*slot);
}

TcpServer::Slot* TcpServer::MakeRoom(std::chrono::nanoseconds now) {
  Slot* oldest = nullptr;
  for (Slot& slot : slots_) {
    if (slot == nullptr) return &slot;
    const TcpConnection& tcp = slot->tcp;
    const auto patience = tcp.established() ? kForgottenAfter : kOpenForgottenAfter;
    if (now - tcp.last_progress() < patience) continue;
    if (oldest == nullptr || tcp.last_progress() < (*oldest)->tcp.last_progress()) oldest = &slot;
  }
  if (oldest == nullptr) return nullptr;
  Remove(*oldest);
  return oldest;
}

void TcpServer::Open(const Peer& peer, const TcpSegment& syn, std::chrono::nanoseconds now) {
  Slot* const slot = MakeRoom(now);
  if (slot == nullptr) return AddReset(peer, syn);
  TcpConnection::Options options{.max_segment_bytes = options_.max_segment_bytes, .now = now};
  options_.random(std::as_writable_bytes(std::span(&options.initial_sequence, 1)));
  *slot = std::make_unique<Connection>(peer, syn, options);
  ++connections_;
  service_.metrics().connections_created.Add();
}

void TcpServer::Serve(TcpConnection& tcp) {
  while (!tcp.sending() && !tcp.closing()) {
    const std::string_view received = tcp.received();
    const size_t end = received.find(kHeadEnd);
    const bool whole = end != std::string_view::npos;
    if (!whole && !tcp.receive_buffer_full()) break;
    const size_t bytes = whole ? end + kHeadEnd.size() : received.size();
    GuestService::Answer answer =
        whole ? service_.Handle(received.substr(0, bytes)) : GuestService::Refuse();
    tcp.DropReceived(bytes);
    tcp.Send(std::move(answer.bytes));
    if (!answer.keep_alive) tcp.Close();
  }
  if (tcp.peer_closed() && !tcp.sending() && !tcp.closing()) tcp.Close();
}

void TcpServer::Remove(Slot& slot) {
  if (slot->tcp.given_up()) service_.metrics().tx_errors.Add();
  service_.metrics().connections_destroyed.Add();
  slot.reset();
  --connections_;
}

void TcpServer::AddReset(const Peer& peer, const TcpSegment& segment) {
  if (segment.Has(TcpFlags::kRst) || resets_count_ == kMaxResets) return;
  Reset& reset = resets_[(resets_first_ + resets_count_++) % kMaxResets];
  if (segment.Has(TcpFlags::kAck)) {
    reset = {.peer = peer, .sequence = segment.acknowledgment, .flags = TcpFlags::kRst};
  } else {
    reset = {.peer = peer,
             .acknowledgment = segment.sequence + segment.length(),
             .flags = TcpFlags::kRst | TcpFlags::kAck};
  }
}

std::optional<TcpServer::Outgoing> TcpServer::NextReset() {
  if (resets_count_ == 0) return std::nullopt;
  const Reset& reset = resets_[resets_first_];
  resets_first_ = (resets_first_ + 1) % kMaxResets;
  --resets_count_;
  return Outgoing{.peer = reset.peer,
                  .segment = {.source_port = kPort,
                              .destination_port = reset.peer.port,
                              .sequence = reset.sequence,
                              .acknowledgment = reset.acknowledgment,
                              .flags = reset.flags}};
}

std::optional<TcpServer::Outgoing> TcpServer::Next(std::chrono::nanoseconds now) {
  if (std::optional<Outgoing> reset = NextReset()) return reset;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[turn_];
    turn_ = (turn_ + 1) % slots_.size();
    if (slot == nullptr) continue;
    const std::optional<std::chrono::nanoseconds> at = slot->tcp.NextAt();
    if (!at || *at > now) continue;
    std::optional<TcpSegment> segment = slot->tcp.Next(now);
    if (segment) {
      segment->source_port = kPort;
      segment->destination_port = slot->peer.port;
    }
    const Peer peer = slot->peer;
    // What a connection sends last has no payload that could go with it.
    if (slot->tcp.ended()) Remove(slot);
    if (segment) return Outgoing{.peer = peer, .segment = *segment};
  }
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> TcpServer::NextAt() const {
  if (resets_count_ > 0) return std::chrono::nanoseconds::min();
  if (idle()) return std::nullopt;
  std::optional<std::chrono::nanoseconds> first;
  for (const Slot& slot : slots_) {
    if (slot == nullptr) continue;
    const std::optional<std::chrono::nanoseconds> at = slot->tcp.NextAt();
    if (at && (!first || *at < *first)) first = at;
  }
  return first;
}

void TcpServer::Clear() {
  for (Slot& slot : slots_) {
    if (slot != nullptr) Remove(slot);
  }
  resets_count_ = 0;
}

}  // namespace ember::mmds
