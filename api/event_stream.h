#ifndef EMBER_API_EVENT_STREAM_H_
#define EMBER_API_EVENT_STREAM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/journal.h"

namespace ember::api {

// One client's view of the journal: lines of JSON, as fast as it reads them. It holds a place in
// the journal and nothing else, so a slow client costs no more than a fast one; what the journal
// does not keep until the client gets there shows as one record "lost". The API's thread.
class EventStream {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  // One call appends no more than a record beyond this.
  static constexpr size_t kPageBytes = 8192;

  struct Options {
    uint64_t since = 0;                 // the records after this one
    std::chrono::seconds heartbeat{0};  // how long to say nothing at most; 0: for ever
  };

  // `journal` must outlive the stream.
  EventStream(const Journal& journal, const Options& options, TimePoint now)
      : journal_(journal), heartbeat_(options.heartbeat), sent_(options.since), last_line_(now) {}

  // Appends the lines that there are, or a page of them.
  void AppendTo(std::string& out, TimePoint now);
  // Whether there are more at once.
  bool more() const { return sent_ < journal_.last(); }
  // When there will be a line even if nothing happens.
  TimePoint next_look() const;

 private:
  const Journal& journal_;
  const std::chrono::seconds heartbeat_;
  uint64_t sent_;  // sequence number
  TimePoint last_line_;
};

}  // namespace ember::api

#endif  // EMBER_API_EVENT_STREAM_H_
