#ifndef EMBER_VIRTIO_CONSOLE_CONSOLE_SIZE_H_
#define EMBER_VIRTIO_CONSOLE_CONSOLE_SIZE_H_

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace ember::virtio {

// A terminal's, in characters.
struct ConsoleSize {
  uint16_t columns = 0;
  uint16_t rows = 0;

  friend bool operator==(const ConsoleSize&, const ConsoleSize&) = default;
};

// What a line on a port's control socket says, without its newline: "resize COLUMNS ROWS", each a
// decimal number from 1 to 65535, one space between.
Result<ConsoleSize> ParseResizeLine(std::string_view line);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_CONSOLE_SIZE_H_
