#ifndef EMBER_VMM_METRICS_METRICS_FILE_H_
#define EMBER_VMM_METRICS_METRICS_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace ember::vmm {

// The file or FIFO that takes lines of metrics, whole ones only. Never waits for a reader, and
// needs none: what a FIFO has no room for is refused. One thread at a time.
class MetricsFile {
 public:
  enum class Outcome : uint8_t { kWritten, kFull };

  // Opened for appending; made (mode 0600) where it is not there.
  static Result<MetricsFile> Open(const std::string& path);

  // Appends the line, or nothing of it. A line longer than all of a FIFO is taken where the FIFO is
  // empty; its end follows before the next line. An error is the host's.
  Result<Outcome> Write(std::string_view line);
  // The last line of a process, as far as there is room for it. Async-signal-safe.
  void WriteInSignalHandler(std::string_view line) const;

 private:
  MetricsFile(Fd fd, bool is_fifo) : fd_(std::move(fd)), is_fifo_(is_fifo) {}

  bool HasRoom(size_t size_bytes) const;
  // How much of `text` was taken; errno says why not all.
  size_t WriteSome(std::string_view text) const;

  Fd fd_;
  bool is_fifo_;
  std::string rest_;  // of a line that has begun
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_METRICS_FILE_H_
