#include "virtio/console/acceptor.h"

#include <cerrno>

#include "base/log.h"

namespace ember::virtio {

std::optional<Fd> Acceptor::Accept() {
  for (int i = 0; i < kMaxAtOnce; ++i) {
    Result<Fd> client = listener_.Accept();
    if (client) return *std::move(client);
    const int error = client.error().error_number();
    if (error == EINTR || error == ECONNABORTED) continue;
    if (error == EAGAIN) return std::nullopt;
    EMBER_LOG_LIMITED(kWarning, "console: ", client.error().message());
    silent_ = true;
    // Cannot fail: the listener is in the set.
    static_cast<void>(
        events_->Change(listener_.fd().get(), EventSet::Interest::kNone, token_).has_value());
    return std::nullopt;
  }
  return std::nullopt;
}

void Acceptor::Resume() {
  if (!std::exchange(silent_, false)) return;
  static_cast<void>(
      events_->Change(listener_.fd().get(), EventSet::Interest::kReadable, token_).has_value());
}

}  // namespace ember::virtio
