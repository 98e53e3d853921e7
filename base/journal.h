#ifndef EMBER_BASE_JOURNAL_H_
#define EMBER_BASE_JOURNAL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "base/token_bucket.h"

namespace ember {

// What has happened to the machine and its devices, for who follows it from outside: numbered
// records, of which the newest kMaxRecords are kept. Writing never waits for a reader; a reader
// that comes late learns how many records it has missed.
//
// Thread safety: any thread. The listener is called with the mutex held; it must be quick and must
// not call back.
//
//   journal.Append("console_attached", {{"port", "shell"}, {"clients", 2}});
class Journal {
 public:
  static constexpr size_t kMaxRecords = 1024;
  // Longer texts are cut.
  static constexpr size_t kMaxTextBytes = 256;
  // What a guest can cause: so many at once, and so many a second.
  static constexpr uint64_t kGuestBurst = 64;
  static constexpr uint64_t kGuestRecordsPerSecond = 32;

  struct Field {
    std::string_view name;  // lives as long as the program
    std::variant<uint64_t, std::string> value;
  };
  struct Record {
    uint64_t sequence = 0;          // from 1, without gaps
    std::chrono::nanoseconds time;  // since 1970 by the host's clock
    std::string_view event;         // lives as long as the program
    std::vector<Field> fields;
  };
  // What there is after a sequence number, in order.
  struct Page {
    uint64_t lost = 0;  // how many before the first of `records` are kept no longer
    std::vector<Record> records;
  };

  // `clock` limits what guests cause, and must outlive the journal.
  explicit Journal(const Clock& clock = MonotonicClock());

  void Append(std::string_view event, std::vector<Field> fields = {}) EXCLUDES(mutex_);
  // For what a guest causes as often as it likes: dropped beyond the limit, and the next one that
  // is kept has a field "skipped", the number of those dropped before it.
  void AppendLimited(std::string_view event, std::vector<Field> fields = {}) EXCLUDES(mutex_);

  // The sequence number of the last record; 0 before the first.
  uint64_t last() const EXCLUDES(mutex_);
  // Up to `limit` records after the one numbered `sequence`.
  Page After(uint64_t sequence, size_t limit) const EXCLUDES(mutex_);

  // Called after each record, on the thread that writes it; an empty function: nobody is.
  void SetListener(std::function<void()> listener) EXCLUDES(mutex_);

 private:
  void AppendLocked(std::string_view event, std::vector<Field> fields) REQUIRES(mutex_);

  const Clock& clock_;

  mutable Mutex mutex_;
  std::deque<Record> records_ GUARDED_BY(mutex_);
  uint64_t last_ GUARDED_BY(mutex_) = 0;
  TokenBucket guest_limit_ GUARDED_BY(mutex_);
  uint64_t skipped_ GUARDED_BY(mutex_) = 0;
  std::function<void()> listener_ GUARDED_BY(mutex_);
};

}  // namespace ember

#endif  // EMBER_BASE_JOURNAL_H_
