#ifndef EMBER_VMM_CONSOLE_HANDED_SOCKET_H_
#define EMBER_VMM_CONSOLE_HANDED_SOCKET_H_

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"

namespace ember::vmm {

// A client's connection on its way from the API to a console. Whoever takes it first has it: the
// console, or the API again when the machine ends before. Any thread.
class HandedSocket {
 public:
  struct Parts {
    Fd fd;                 // non-blocking
    std::string greeting;  // for the client, once the console has it
    std::string input;     // of the client's, received behind its request
  };

  explicit HandedSocket(Parts parts) : parts_(std::move(parts)) {}

  // Nothing where it was taken before.
  std::optional<Parts> Take() {
    // Relaxed: who hands it on between threads orders what is in it.
    if (taken_.exchange(true, std::memory_order_relaxed)) return std::nullopt;
    return std::move(parts_);
  }

 private:
  std::atomic<bool> taken_{false};
  Parts parts_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONSOLE_HANDED_SOCKET_H_
