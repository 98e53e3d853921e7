#ifndef EMBER_API_LOG_STREAM_H_
#define EMBER_API_LOG_STREAM_H_

#include <cstdint>
#include <string>

#include "api/stream.h"
#include "base/log_tail.h"

namespace ember::api {

// One client's view of the log, in lines of text. What is kept no longer until the client gets
// there shows as a line "[N lines lost]". The API's thread.
class LogStream final : public Stream {
 public:
  // Begins before the last `lines` of those there are. `tail` must outlive the stream.
  LogStream(const LogTail& tail, uint64_t lines) : tail_(tail), place_(tail.Before(lines)) {}

  void AppendTo(std::string& out, TimePoint now) override;
  bool more() const override { return place_.bytes < tail_.end().bytes; }
  TimePoint next_look() const override { return TimePoint::max(); }

 private:
  const LogTail& tail_;
  LogTail::Place place_;
};

}  // namespace ember::api

#endif  // EMBER_API_LOG_STREAM_H_
