#ifndef EMBER_DEVICES_TERMINAL_H_
#define EMBER_DEVICES_TERMINAL_H_

#include <memory>

#include "base/result.h"

namespace ember {

// While it lives, a terminal hands each key to the guest as it is typed, Ctrl-C among them, and
// echoes nothing. Output is processed as before, so that the log's lines stay lines. Destroyed, or
// when a fatal signal ends the process, it puts the terminal back as it was. Move-only; one thread
// at a time.
class RawTerminal {
 public:
  // Where `fd` is no terminal, does nothing then or later. `fd` must stay open while it lives.
  static Result<RawTerminal> Enter(int fd);

  RawTerminal(RawTerminal&& other) noexcept;
  RawTerminal& operator=(RawTerminal&&) = delete;
  ~RawTerminal();

 private:
  struct Settings;
  explicit RawTerminal(std::unique_ptr<Settings> before);

  std::unique_ptr<Settings> before_;  // null where there is nothing to put back
};

}  // namespace ember

#endif  // EMBER_DEVICES_TERMINAL_H_
