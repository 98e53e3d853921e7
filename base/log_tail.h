#ifndef EMBER_BASE_LOG_TAIL_H_
#define EMBER_BASE_LOG_TAIL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/thread_annotations.h"

namespace ember {

// The last lines of a log, in a ring of kCapacityBytes that is there from the first line on and
// becomes resident as it fills. A line keeps its place for ever, so that any number of readers go
// on from theirs, and learn how many lines they were too slow for.
//
// Thread safety: any thread. The listener is called with the mutex held; it must be quick and must
// not call back.
class LogTail {
 public:
  static constexpr size_t kCapacityBytes = size_t{64} << 10;

  // Between two lines.
  struct Place {
    uint64_t bytes = 0;  // so many before it
    uint64_t lines = 0;
  };
  struct Page {
    uint64_t lost_lines = 0;  // between where it was to begin and `text`, and kept no longer
    std::string text;         // whole lines
    Place next;               // where the next page begins
  };

  // One line, its end included; at most kCapacityBytes.
  void Append(std::string_view line) EXCLUDES(mutex_);

  Place end() const EXCLUDES(mutex_);
  // Before the last `lines` of those that are kept.
  Place Before(uint64_t lines) const EXCLUDES(mutex_);
  // The lines from `place` on, up to limit_bytes, but one at least if there is one.
  Page From(Place place, size_t limit_bytes) const EXCLUDES(mutex_);

  // Called after each line, on the thread that writes it; an empty function: nobody is.
  void SetListener(std::function<void()> listener) EXCLUDES(mutex_);

 private:
  // Behind the line that begins at `place`.
  Place AfterLineLocked(Place place) const REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::unique_ptr<char[]> ring_ GUARDED_BY(mutex_);  // null before the first line
  Place begin_ GUARDED_BY(mutex_);
  Place end_ GUARDED_BY(mutex_);
  std::function<void()> listener_ GUARDED_BY(mutex_);
};

// That of the process's log (log.h): lines as they were written, those that were lost on the way
// to its file included; not what signal handlers log.
LogTail& log_tail();

}  // namespace ember

#endif  // EMBER_BASE_LOG_TAIL_H_
