#include "virtio/vsock/multiplexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "base/unix_socket.h"

namespace ember::virtio {
namespace {

using Interest = EventSet::Interest;

uint64_t TokenOf(const ConnectionKey& key) {
  return uint64_t{key.guest_port} << 32 | key.host_port;
}

ConnectionKey KeyOf(uint64_t token) {
  return {.guest_port = static_cast<uint32_t>(token >> 32),
          .host_port = static_cast<uint32_t>(token)};
}

}  // namespace

Result<std::unique_ptr<Multiplexer>> Multiplexer::Create(const Options& options, const Clock& clock,
                                                         VsockMetrics& metrics) {
  EventSets sets{.all = TRY(EventSet::Create()),
                 .readable = TRY(EventSet::Create()),
                 .writable = TRY(EventSet::Create())};
  Timer timer = TRY(Timer::Create());
  std::unique_ptr<Reception> reception = TRY(Reception::Create(options.uds_path, metrics));
  const auto add = [&](const Fd& fd, Source source) {
    return sets.all.Add(fd.get(), Interest::kReadable, static_cast<uint64_t>(source));
  };
  TRY(add(timer.fd(), Source::kTimer));
  TRY(add(reception->fd(), Source::kReception));
  TRY(add(sets.readable.fd(), Source::kReadable));
  TRY(add(sets.writable.fd(), Source::kWritable));
  return std::unique_ptr<Multiplexer>(new Multiplexer(options, clock, metrics, std::move(sets),
                                                      std::move(timer), std::move(reception)));
}

Multiplexer::Multiplexer(const Options& options, const Clock& clock, VsockMetrics& metrics,
                         EventSets sets, Timer timer, std::unique_ptr<Reception> reception)
    : guest_cid_(options.guest_cid),
      uds_path_(options.uds_path),
      clock_(clock),
      metrics_(metrics),
      events_(std::move(sets.all)),
      readable_(std::move(sets.readable)),
      writable_(std::move(sets.writable)),
      timer_(std::move(timer)),
      reception_(std::move(reception)) {}

Multiplexer::~Multiplexer() { Stop(); }

void Multiplexer::Start() {
  started_ = true;
  SetGuestRoom(GuestRoom::kSome);
  reception_->Open();
}

void Multiplexer::Stop() {
  started_ = false;
  reception_->Close();
  DropConnections();
  ArmTimer(Next::kWhenDue);
}

void Multiplexer::DropConnections() {
  while (TableEntry* const entry = table_.Any()) Erase(*entry);
  resets_.clear();
}

void Multiplexer::SetGuestRoom(GuestRoom room) {
  if (room == std::exchange(guest_room_, room)) return;
  const Interest interest = room == GuestRoom::kSome ? Interest::kReadable : Interest::kNone;
  const Status changed =
      events_.Change(readable_.fd().get(), interest, static_cast<uint64_t>(Source::kReadable));
  if (!changed) EMBER_LOG_LIMITED(kError, "vsock: ", changed.error().message());
}

void Multiplexer::TakePacket(VsockPacket& packet) {
  const virtio_vsock_hdr& header = packet.header;
  metrics_.tx_packets_count.Add();
  // A packet in another's name has nobody to answer to: answers go to guest_cid (5.10.6.2).
  if (header.src_cid != guest_cid_) return;
  if (header.dst_cid != kHostCid || header.type != VIRTIO_VSOCK_TYPE_STREAM) return Reset(header);
  TableEntry* const entry =
      table_.Find({.guest_port = header.src_port, .host_port = header.dst_port});
  if (entry != nullptr) {
    entry->connection.TakePacket(header, packet.payload);
    Settle(*entry);
  } else if (header.op == VIRTIO_VSOCK_OP_REQUEST) {
    ConnectGuest(header);
  } else {
    Reset(header);
  }
}

void Multiplexer::Reset(const virtio_vsock_hdr& to) {
  if (to.op == VIRTIO_VSOCK_OP_RST) return;  // or it would never end
  resets_.push_back({.host_cid = to.dst_cid,
                     .host_port = to.dst_port,
                     .guest_port = to.src_port,
                     .type = to.type});
}

void Multiplexer::ConnectGuest(const virtio_vsock_hdr& request) {
  const ConnectionKey key{.guest_port = request.src_port, .host_port = request.dst_port};
  Result<Fd> socket = Error("too many connections");
  if (!table_.full()) socket = ConnectUnix(Concat(uds_path_, "_", key.host_port));
  if (!socket) {
    metrics_.muxer_event_fails.Add();
    EMBER_LOG_LIMITED(kDebug, "vsock: ", socket.error().message());
    return Reset(request);
  }
  TableEntry& entry = Insert(*std::move(socket), key, Connection::Origin::kGuest);
  entry.connection.TakeCredit(request);
  Settle(entry);
}

void Multiplexer::ConnectClient(Reception::Guest guest) {
  if (table_.full()) return metrics_.muxer_event_fails.Add();
  const ConnectionKey key{.guest_port = guest.port, .host_port = table_.NextHostPort(guest.port)};
  Settle(Insert(std::move(guest.socket), key, Connection::Origin::kHost));
}

TableEntry& Multiplexer::Insert(Fd socket, const ConnectionKey& key, Connection::Origin origin) {
  metrics_.conns_added.Add();
  const bool wide = table_.size() < kMaxWideWindows;
  return table_.Insert(
      std::move(socket),
      {.key = key, .origin = origin, .window_bytes = wide ? kWideWindowBytes : kWindowBytes},
      metrics_);
}

std::optional<uint64_t> Multiplexer::PutPacket(PacketRoom& room) {
  if (resets_.empty()) return PutConnectionPacket(room);
  const StrayReset& reset = resets_.front();
  virtio_vsock_hdr header{};
  header.src_port = reset.host_port;
  header.dst_port = reset.guest_port;
  header.type = reset.type;
  header.op = VIRTIO_VSOCK_OP_RST;
  PutHeader(header, reset.host_cid, room);
  resets_.pop_front();
  return kVsockHeaderBytes;
}

std::optional<uint64_t> Multiplexer::PutConnectionPacket(PacketRoom& room) {
  TableEntry* const entry = ready_.front();
  if (entry == nullptr) return std::nullopt;
  ready_.Remove(*entry);
  const std::optional<virtio_vsock_hdr> header = entry->connection.MakePacket(room.payload());
  Settle(*entry);
  if (!header) return std::nullopt;
  PutHeader(*header, kHostCid, room);
  return kVsockHeaderBytes + header->len;
}

void Multiplexer::PutHeader(virtio_vsock_hdr header, uint64_t host_cid, PacketRoom& room) {
  header.src_cid = host_cid;
  header.dst_cid = guest_cid_;
  room.PutHeader(header);
  metrics_.rx_packets_count.Add();
}

void Multiplexer::ProcessEvents() {
  const Nanoseconds now = clock_.Now();
  bool reception_is_due = reception_->deadline().value_or(Nanoseconds::max()) <= now;
  std::array<EventSet::Event, 4> room;  // one for each source
  for (const EventSet::Event& event : events_.Poll(room)) {
    switch (static_cast<Source>(event.token)) {
      case Source::kTimer:
        timer_.Disarm();
        armed_for_.reset();
        break;
      case Source::kReception:
        reception_is_due = true;
        break;
      case Source::kReadable:
        ProcessReadable();
        break;
      case Source::kWritable:
        ProcessWritable();
        break;
    }
  }
  if (!started_) return;
  if (reception_is_due) {
    for (Reception::Guest& guest : reception_->Process(now)) ConnectClient(std::move(guest));
  }
  ProcessTimeouts(now);
}

void Multiplexer::ProcessReadable() {
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : readable_.Poll(room)) {
    TableEntry* const entry = table_.Find(KeyOf(event.token));
    if (entry == nullptr) continue;
    entry->connection.OnReadable();
    Settle(*entry);
  }
}

void Multiplexer::ProcessWritable() {
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : writable_.Poll(room)) {
    TableEntry* const entry = table_.Find(KeyOf(event.token));
    if (entry == nullptr) continue;
    entry->connection.OnWritableOrGone(event);
    Settle(*entry);
  }
}

void Multiplexer::ProcessTimeouts(Nanoseconds now) {
  size_t left = kMaxTimeoutsPerWakeUp;
  for (DeadlineList* const list : {&answers_, &drains_}) {
    while (TableEntry* const entry = list->front()) {
      if (entry->deadline > now || left == 0) break;
      --left;
      entry->connection.Kill();
      Settle(*entry);
    }
  }
}

void Multiplexer::ArmTimer(Next next) {
  std::optional<Nanoseconds> due;
  if (started_) due = reception_->deadline();
  for (const DeadlineList* const list : {&answers_, &drains_}) {
    const TableEntry* const first = list->front();
    if (first != nullptr) due = std::min(due.value_or(first->deadline), first->deadline);
  }
  if (next == Next::kNow) due = Nanoseconds::zero();
  if (due == armed_for_) return;
  armed_for_ = due;
  if (!due) return timer_.Disarm();
  timer_.Arm(next == Next::kNow ? Nanoseconds::zero() : *due - clock_.Now());
}

void Multiplexer::Settle(TableEntry& entry) {
  Connection& connection = entry.connection;
  if (const Status awaited = Await(entry); !awaited) {
    metrics_.muxer_event_fails.Add();
    EMBER_LOG_LIMITED(kError, "vsock: ", awaited.error().message());
    connection.Kill();
  }
  if (connection.finished()) return Erase(entry);
  if (connection.socket_is_done() && connection.socket().valid()) {
    StopAwaiting(entry);
    connection.CloseSocket();
  }
  SetDeadline(entry);
  if (connection.HasPacket()) {
    ready_.PushBack(entry);
  } else {
    ready_.Remove(entry);
  }
}

Status Multiplexer::Await(TableEntry& entry) {
  const Connection& connection = entry.connection;
  const int fd = connection.socket().get();
  const uint64_t token = TokenOf(connection.key());
  if (const bool wanted = connection.wants_readable(); wanted != entry.awaits_readable) {
    if (wanted) {
      TRY(readable_.Add(fd, Interest::kReadable, token));
    } else {
      readable_.Remove(fd);
    }
    entry.awaits_readable = wanted;
  }
  if (const std::optional<Interest> wanted = connection.write_interest();
      wanted != entry.awaited_write) {
    if (!wanted) {
      writable_.Remove(fd);
    } else if (entry.awaited_write) {
      TRY(writable_.Change(fd, *wanted, token));
    } else {
      TRY(writable_.Add(fd, *wanted, token));
    }
    entry.awaited_write = wanted;
  }
  return {};
}

void Multiplexer::StopAwaiting(TableEntry& entry) {
  const int fd = entry.connection.socket().get();
  if (std::exchange(entry.awaits_readable, false)) readable_.Remove(fd);
  if (std::exchange(entry.awaited_write, std::nullopt)) writable_.Remove(fd);
}

void Multiplexer::SetDeadline(TableEntry& entry) {
  const Connection::Wait wait = entry.connection.wait();
  const Connection::Wait before = std::exchange(entry.wait, wait);
  if (wait == before) return;
  DeadlinesOf(before).Remove(entry);
  if (wait == Connection::Wait::kNothing) return;
  const Nanoseconds timeout = wait == Connection::Wait::kDrain ? kDrainTimeout : kAnswerTimeout;
  entry.deadline = clock_.Now() + timeout;
  DeadlinesOf(wait).PushBack(entry);
}

void Multiplexer::Erase(TableEntry& entry) {
  StopAwaiting(entry);
  ready_.Remove(entry);
  DeadlinesOf(entry.wait).Remove(entry);
  metrics_.conns_removed.Add();
  table_.Erase(entry.connection.key());
}

}  // namespace ember::virtio
