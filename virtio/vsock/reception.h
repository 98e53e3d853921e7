#ifndef EMBER_VIRTIO_VSOCK_RECEPTION_H_
#define EMBER_VIRTIO_VSOCK_RECEPTION_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/event_set.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/unix_socket.h"
#include "virtio/vsock/connect_line.h"
#include "virtio/vsock/linked_list.h"
#include "virtio/vsock/metrics.h"

namespace ember::virtio {

// Where clients of the host come in: it listens at a path, and keeps each client until its CONNECT
// line is complete. Nothing behind the line is read. A client that sends anything else, closes, or
// takes too long is dropped; there is room for kMaxClients, and while all of it is taken the oldest
// must hurry and others wait in the socket's backlog. The device's thread.
class Reception {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  static constexpr size_t kMaxClients = 256;
  // A person may be typing.
  static constexpr Nanoseconds kPatience = std::chrono::seconds(30);
  static constexpr Nanoseconds kPatienceWhenCrowded = std::chrono::seconds(1);
  // Out of descriptors: they may come back.
  static constexpr Nanoseconds kAcceptRetry = std::chrono::milliseconds(100);
  static constexpr size_t kMaxAcceptsPerWakeUp = 64;

  // Who has said whom it wants.
  struct Guest {
    Fd socket;
    uint32_t port = 0;
  };

  // Listens at `path`, and lets nobody in yet. Borrows the metrics for its life.
  static Result<std::unique_ptr<Reception>> Create(const std::string& path, VsockMetrics& metrics);

  // Readable while Process() has something to do.
  const Fd& fd() const { return events_.fd(); }
  const std::string& path() const { return listener_.path(); }

  // Lets clients in, or sends away those who are there and leaves the others in the backlog.
  void Open();
  void Close();

  // Lets in and hears some clients, drops those whose time is over, and returns who is done.
  std::vector<Guest> Process(Nanoseconds now);
  // When Process() is due though nothing is readable; nothing: never.
  std::optional<Nanoseconds> deadline() const;
  size_t client_count() const { return clients_.size(); }

 private:
  struct Client {
    uint64_t token = 0;
    Fd socket;
    Nanoseconds since{0};
    std::array<char, kMaxConnectLineBytes> line{};
    size_t line_bytes = 0;
    ListPlace<Client> by_age;
  };
  enum class Heard { kPart, kWholeLine, kGarbage };
  static constexpr uint64_t kListenerToken = 0;

  Reception(EventSet events, UnixListener listener, VsockMetrics& metrics)
      : metrics_(metrics), events_(std::move(events)), listener_(std::move(listener)) {}

  Nanoseconds patience() const {
    return clients_.size() < kMaxClients ? kPatience : kPatienceWhenCrowded;
  }
  void LetIn(Nanoseconds now);
  void Admit(Fd socket, Nanoseconds now);
  static Heard Listen(Client& client);
  std::optional<Guest> Hear(Client& client);
  void Drop(Client& client);
  // Waits for clients while open, with room, and not before retry_at_.
  void WatchListener();

  VsockMetrics& metrics_;
  EventSet events_;
  UnixListener listener_;
  bool open_ = false;
  bool listening_ = false;  // the listener is in events_
  std::optional<Nanoseconds> retry_at_;
  uint64_t last_token_ = kListenerToken;
  std::unordered_map<uint64_t, std::unique_ptr<Client>> clients_;
  LinkedList<Client, &Client::by_age> by_age_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_RECEPTION_H_
