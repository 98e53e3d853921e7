#ifndef EMBER_DEVICES_TERMINAL_H_
#define EMBER_DEVICES_TERMINAL_H_

#include <termios.h>

#include <optional>

#include "base/result.h"

namespace ember {

// While it lives, a terminal hands each key to the guest as it is typed, Ctrl-C among them, and
// echoes nothing. Output is processed as before, so that the log's lines stay lines. Destroyed, it
// puts the terminal back as it was; a process killed by a signal it does not handle leaves it raw.
// Move-only; one thread at a time.
class RawTerminal {
 public:
  // Where `fd` is no terminal, does nothing then or later. `fd` must stay open while it lives.
  static Result<RawTerminal> Enter(int fd);

  RawTerminal(RawTerminal&& other) noexcept;
  RawTerminal& operator=(RawTerminal&&) = delete;
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  RawTerminal(int fd, const std::optional<termios>& before) : fd_(fd), before_(before) {}

  int fd_;
  std::optional<termios> before_;
};

}  // namespace ember

#endif  // EMBER_DEVICES_TERMINAL_H_
