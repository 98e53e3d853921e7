#ifndef EMBER_API_EVENT_STREAM_H_
#define EMBER_API_EVENT_STREAM_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "api/stream.h"
#include "base/journal.h"

namespace ember::api {

// One client's view of the journal, in lines of JSON. What the journal does not keep until the
// client gets there shows as one record "lost". The API's thread.
class EventStream final : public Stream {
 public:
  struct Options {
    uint64_t since = 0;                 // the records after this one
    std::chrono::seconds heartbeat{0};  // how long to say nothing at most; 0: for ever
  };

  // `journal` must outlive the stream.
  EventStream(const Journal& journal, const Options& options, TimePoint now)
      : journal_(journal), heartbeat_(options.heartbeat), sent_(options.since), last_line_(now) {}

  void AppendTo(std::string& out, TimePoint now) override;
  bool more() const override { return sent_ < journal_.last(); }
  TimePoint next_look() const override;

 private:
  const Journal& journal_;
  const std::chrono::seconds heartbeat_;
  uint64_t sent_;  // sequence number
  TimePoint last_line_;
};

}  // namespace ember::api

#endif  // EMBER_API_EVENT_STREAM_H_
