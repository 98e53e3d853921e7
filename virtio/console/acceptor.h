#ifndef EMBER_VIRTIO_CONSOLE_ACCEPTOR_H_
#define EMBER_VIRTIO_CONSOLE_ACCEPTOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/event_set.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/unix_socket.h"

namespace ember::virtio {

// A listening Unix socket in an event set. Where the host has no descriptor left for a client, it
// falls silent until Resume(), so that the set is not readable for ever. One thread at a time.
class Acceptor {
 public:
  // At most this many are accepted at one event.
  static constexpr int kMaxAtOnce = 16;

  // `events` outlives the acceptor.
  static Result<Acceptor> Create(const std::string& path, EventSet& events, uint64_t token) {
    UnixListener listener = TRY(UnixListener::Bind(path));
    TRY(events.Add(listener.fd().get(), EventSet::Interest::kReadable, token));
    return Acceptor(std::move(listener), events, token);
  }
  Acceptor(Acceptor&&) = default;
  Acceptor& operator=(Acceptor&&) = delete;
  ~Acceptor() {
    if (listener_.fd().valid()) events_->Remove(listener_.fd().get());
  }

  // The next client, its descriptor non-blocking.
  std::optional<Fd> Accept();
  bool silent() const { return silent_; }
  void Resume();

 private:
  Acceptor(UnixListener listener, EventSet& events, uint64_t token)
      : listener_(std::move(listener)), events_(&events), token_(token) {}

  UnixListener listener_;
  EventSet* events_;
  uint64_t token_;
  bool silent_ = false;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_ACCEPTOR_H_
