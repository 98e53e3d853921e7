#ifndef EMBER_VIRTIO_CONSOLE_RESIZE_SOCKET_H_
#define EMBER_VIRTIO_CONSOLE_RESIZE_SOCKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_set.h"
#include "base/fd.h"
#include "base/result.h"
#include "virtio/console/acceptor.h"
#include "virtio/console/console_size.h"

namespace ember::virtio {

// A port's control socket: takes lines "resize COLUMNS ROWS" and answers each by a line, "ok" or
// "error: …". A connection that sends a line over kMaxLineBytes, or reads no answers, is closed;
// one over kMaxConnections is not let in. One thread at a time.
class ResizeSocket {
 public:
  static constexpr size_t kMaxConnections = 8;
  static constexpr size_t kMaxLineBytes = 64;

  // The listener has `token` in the set, and connections have token + 1 and up.
  static Result<ResizeSocket> Create(const std::string& path, EventSet& events, uint64_t token);
  ResizeSocket(ResizeSocket&&) = default;
  ResizeSocket& operator=(ResizeSocket&&) = delete;
  ~ResizeSocket();

  // The last size that was given, if any.
  std::optional<ConsoleSize> OnEvent(const EventSet::Event& event);
  Acceptor& acceptor() { return acceptor_; }

 private:
  struct Connection {
    Fd fd;
    uint64_t token;
    std::array<char, kMaxLineBytes> line;
    size_t length = 0;
  };

  ResizeSocket(Acceptor acceptor, EventSet& events, uint64_t token)
      : acceptor_(std::move(acceptor)), events_(&events), token_(token), next_token_(token + 1) {}

  void AcceptAll();
  // Whether the connection stays.
  bool Read(Connection& connection, std::optional<ConsoleSize>& size);
  // Takes each whole line from the connection's bytes. False where an answer cannot be sent.
  bool TakeLines(Connection& connection, std::optional<ConsoleSize>& size);

  Acceptor acceptor_;
  EventSet* events_;
  uint64_t token_;
  uint64_t next_token_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_RESIZE_SOCKET_H_
