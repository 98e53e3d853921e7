#ifndef EMBER_VIRTIO_VSOCK_CONNECTION_TABLE_H_
#define EMBER_VIRTIO_VSOCK_CONNECTION_TABLE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/event_set.h"
#include "virtio/vsock/connection.h"
#include "virtio/vsock/linked_list.h"

namespace ember::virtio {

// A connection and where it stands with those who serve it. The device's thread.
struct TableEntry {
  explicit TableEntry(Fd socket, const Connection::Options& options, VsockMetrics& metrics)
      : connection(std::move(socket), options, metrics) {}

  Connection connection;
  bool awaits_readable = false;
  std::optional<EventSet::Interest> awaited_write;
  Connection::Wait wait = Connection::Wait::kNothing;
  std::chrono::nanoseconds deadline{0};  // while wait is not kNothing
  ListPlace<TableEntry> ready_place;
  ListPlace<TableEntry> deadline_place;
};

// The connections of one guest, found by their ports, never more than kMaxConnections. The guest
// chooses the ports but cannot choose which of them collide. The device's thread.
class ConnectionTable {
 public:
  static constexpr size_t kMaxConnections = 4096;
  // Ports of the host that connections of its own have, as clients know them from elsewhere.
  static constexpr uint32_t kFirstHostPort = uint32_t{1} << 30;

  ConnectionTable();

  size_t size() const { return entries_.size(); }
  bool full() const { return size() >= kMaxConnections; }

  // Null where there is none.
  TableEntry* Find(const ConnectionKey& key) const;
  // The key is new and the table not full. An entry stays where it is until it is erased.
  TableEntry& Insert(Fd socket, const Connection::Options& options, VsockMetrics& metrics);
  void Erase(const ConnectionKey& key);
  // Any one of them; null where there is none.
  TableEntry* Any() const { return entries_.empty() ? nullptr : entries_.begin()->second.get(); }

  // A port of the host that has no connection to `guest_port`, not the same soon again. The table
  // is not full.
  uint32_t NextHostPort(uint32_t guest_port);

 private:
  struct KeyHash {
    uint64_t seed;
    size_t operator()(const ConnectionKey& key) const;
  };

  std::unordered_map<ConnectionKey, std::unique_ptr<TableEntry>, KeyHash> entries_;
  uint32_t last_host_port_ = kFirstHostPort - 1;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_CONNECTION_TABLE_H_
