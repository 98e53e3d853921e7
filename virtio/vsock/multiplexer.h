#ifndef EMBER_VIRTIO_VSOCK_MULTIPLEXER_H_
#define EMBER_VIRTIO_VSOCK_MULTIPLEXER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/event_set.h"
#include "base/result.h"
#include "base/timer.h"
#include "virtio/vsock/connection_table.h"
#include "virtio/vsock/linked_list.h"
#include "virtio/vsock/metrics.h"
#include "virtio/vsock/packet.h"
#include "virtio/vsock/reception.h"

namespace ember::virtio {

// All streams of one guest over one stream of packets: clients of the socket at uds_path reach the
// guest's ports, the guest reaches port P of the host as the socket at <uds_path>_<P>. Knows no
// queues. The device's thread.
//
// What the guest can make it hold is bounded: ConnectionTable::kMaxConnections, the window of each
// (kWideWindowBytes for those made while there are at most kMaxWideWindows, kWindowBytes for the
// rest), and kMaxResets answers to packets that belong to no connection, after which it takes no
// more until the guest makes room for them.
class Multiplexer {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  static constexpr uint32_t kWindowBytes = uint32_t{64} << 10;
  static constexpr uint32_t kWideWindowBytes = uint32_t{256} << 10;
  static constexpr size_t kMaxWideWindows = 64;
  static constexpr size_t kMaxResets = 256;
  // How long a guest may take to answer REQUEST and SHUTDOWN, and a host to take the last of what a
  // guest sent (Linux's guests wait as long for us before they reset).
  static constexpr Nanoseconds kAnswerTimeout = std::chrono::seconds(2);
  static constexpr Nanoseconds kDrainTimeout = std::chrono::seconds(8);
  static constexpr size_t kMaxTimeoutsPerWakeUp = 256;

  struct Options {
    uint64_t guest_cid = kMinGuestCid;
    std::string uds_path;
  };

  // Listens at uds_path, and lets nobody in yet. Borrows the clock and the metrics for its life.
  static Result<std::unique_ptr<Multiplexer>> Create(const Options& options, const Clock& clock,
                                                     VsockMetrics& metrics);
  ~Multiplexer();

  // Readable while ProcessEvents() has something to do; never while stopped.
  const Fd& fd() const { return events_.fd(); }
  size_t connection_count() const { return table_.size(); }

  // Lets clients in. Stop() closes every connection and forgets all there was to say.
  void Start();
  void Stop();
  void DropConnections();

  // Whether TakePacket() can be called: there is room for an answer.
  bool CanTakePacket() const { return resets_.size() < kMaxResets; }
  void TakePacket(VsockPacket& packet);
  // Whether PutPacket() has something (it may turn out to be nothing).
  bool HasPacket() const { return !resets_.empty() || !ready_.empty(); }
  // Puts the next packet; connections take turns. The bytes it has, or nothing: then `room` is
  // used up all the same.
  std::optional<uint64_t> PutPacket(PacketRoom& room);
  // Whether to hear of sockets that can be read.
  enum class GuestRoom : uint8_t { kNone, kSome };
  void SetGuestRoom(GuestRoom room);

  // Sees to some of what is readable, and to timeouts.
  void ProcessEvents();
  // Sets when ProcessEvents() is called next though nothing happens; kNow where there is work left.
  enum class Next : uint8_t { kNow, kWhenDue };
  void ArmTimer(Next next);

 private:
  using ReadyList = LinkedList<TableEntry, &TableEntry::ready_place>;
  using DeadlineList = LinkedList<TableEntry, &TableEntry::deadline_place>;
  // In events_.
  enum class Source : uint64_t { kTimer, kReception, kReadable, kWritable };
  // An RST for what belongs to no connection.
  struct StrayReset {
    uint64_t host_cid;
    uint32_t host_port;
    uint32_t guest_port;
    uint16_t type;
  };
  struct EventSets {
    EventSet all;
    EventSet readable;
    EventSet writable;
  };

  Multiplexer(const Options& options, const Clock& clock, VsockMetrics& metrics, EventSets sets,
              Timer timer, std::unique_ptr<Reception> reception);

  void ConnectClient(Reception::Guest guest);
  void ConnectGuest(const virtio_vsock_hdr& request);
  TableEntry& Insert(Fd socket, const ConnectionKey& key, Connection::Origin origin);
  void Reset(const virtio_vsock_hdr& to);
  std::optional<uint64_t> PutConnectionPacket(PacketRoom& room);
  void PutHeader(virtio_vsock_hdr header, uint64_t host_cid, PacketRoom& room);

  void ProcessReadable();
  void ProcessWritable();
  void ProcessTimeouts(Nanoseconds now);

  // After each call on a connection: waits for what it wants now, and forgets what has ended. The
  // entry may be gone after.
  void Settle(TableEntry& entry);
  Status Await(TableEntry& entry);
  void StopAwaiting(TableEntry& entry);
  void SetDeadline(TableEntry& entry);
  void Erase(TableEntry& entry);
  DeadlineList& DeadlinesOf(Connection::Wait wait) {
    return wait == Connection::Wait::kDrain ? drains_ : answers_;
  }

  // Constant after construction.
  const uint64_t guest_cid_;
  const std::string uds_path_;
  const Clock& clock_;
  VsockMetrics& metrics_;

  EventSet events_;
  EventSet readable_;  // connections' sockets, by token_of()
  EventSet writable_;  // the same
  Timer timer_;
  std::optional<Nanoseconds> armed_for_;
  std::unique_ptr<Reception> reception_;
  bool started_ = false;
  GuestRoom guest_room_ = GuestRoom::kSome;

  ConnectionTable table_;
  ReadyList ready_;       // those with packets
  DeadlineList answers_;  // by deadline
  DeadlineList drains_;   // by deadline
  std::deque<StrayReset> resets_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_MULTIPLEXER_H_
