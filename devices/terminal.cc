#include "devices/terminal.h"

#include <termios.h>
#include <unistd.h>

#include <utility>

#include "base/concat.h"
#include "base/fatal_signals.h"

namespace ember {

struct RawTerminal::Settings {
  Settings(int terminal, const termios& now) : fd(terminal), before(now) {}
  // Nothing to be done if it fails: the terminal has gone.
  void PutBack() const { ::tcsetattr(fd, TCSANOW, &before); }

  const int fd;
  const termios before;
  const FatalCleanup cleanup{[](void* settings) { static_cast<Settings*>(settings)->PutBack(); },
                             this};
};

Result<RawTerminal> RawTerminal::Enter(int fd) {
  if (::isatty(fd) == 0) return RawTerminal(nullptr);
  termios settings{};
  if (::tcgetattr(fd, &settings) < 0) {
    return Error::FromErrno(Concat("settings of terminal ", fd));
  }
  RawTerminal terminal(std::make_unique<Settings>(fd, settings));
  const tcflag_t output_flags = settings.c_oflag;
  ::cfmakeraw(&settings);
  settings.c_oflag = output_flags;
  if (::tcsetattr(fd, TCSANOW, &settings) < 0) {
    return Error::FromErrno(Concat("set terminal ", fd, " to raw mode"));
  }
  return terminal;
}

RawTerminal::RawTerminal(std::unique_ptr<Settings> before) : before_(std::move(before)) {}
RawTerminal::RawTerminal(RawTerminal&& other) noexcept = default;

RawTerminal::~RawTerminal() {
  if (before_) before_->PutBack();
}

}  // namespace ember
