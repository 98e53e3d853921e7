#include "devices/terminal.h"

#include <unistd.h>

#include <utility>

#include "base/concat.h"

namespace ember {

Result<RawTerminal> RawTerminal::Enter(int fd) {
  if (::isatty(fd) == 0) return RawTerminal(fd, std::nullopt);
  termios settings{};
  if (::tcgetattr(fd, &settings) < 0) {
    return Error::FromErrno(Concat("settings of terminal ", fd));
  }
  RawTerminal terminal(fd, settings);
  const tcflag_t output_flags = settings.c_oflag;
  ::cfmakeraw(&settings);
  settings.c_oflag = output_flags;
  if (::tcsetattr(fd, TCSANOW, &settings) < 0) {
    return Error::FromErrno(Concat("set terminal ", fd, " to raw mode"));
  }
  return terminal;
}

RawTerminal::RawTerminal(RawTerminal&& other) noexcept
    : fd_(other.fd_), before_(std::exchange(other.before_, std::nullopt)) {}

RawTerminal::~RawTerminal() {
  // Nothing to be done if it fails: the terminal has gone.
  if (before_.has_value()) ::tcsetattr(fd_, TCSANOW, &*before_);
}

}  // namespace ember
