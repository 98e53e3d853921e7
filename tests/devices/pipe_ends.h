#ifndef EMBER_TESTS_DEVICES_PIPE_ENDS_H_
#define EMBER_TESTS_DEVICES_PIPE_ENDS_H_

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/fd.h"

namespace ember {

// The two ends of a non-blocking pipe, or of anything else that connects two descriptors.
struct PipeEnds {
  Fd reader;
  Fd writer;

  static PipeEnds Create() {
    std::array<int, 2> fds{};
    EMBER_CHECK(::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    return {Fd(fds[0]), Fd(fds[1])};
  }

  // All that can be read now.
  std::string ReadAll() const {
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t n = 0; (n = ::read(reader.get(), piece.data(), piece.size())) > 0;) {
      text.append(piece.data(), static_cast<size_t>(n));
    }
    return text;
  }

  // How much of it fitted.
  size_t Write(std::string_view text) const {
    const ssize_t n = ::write(writer.get(), text.data(), text.size());
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
};

}  // namespace ember

#endif  // EMBER_TESTS_DEVICES_PIPE_ENDS_H_
