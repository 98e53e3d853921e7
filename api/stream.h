#ifndef EMBER_API_STREAM_H_
#define EMBER_API_STREAM_H_

#include <chrono>
#include <cstddef>
#include <string>

namespace ember::api {

// An answer without an end of its own, written as fast as its client reads: lines that are there
// and lines to come. It holds a place in what it tells of and nothing else, so that a slow client
// costs no more than a fast one. The server looks at it when it can send, whenever somebody wakes
// it (Waker), and at the time that the stream names. The API's thread.
class Stream {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  // One call appends no more than a line beyond this.
  static constexpr size_t kPageBytes = 8192;

  virtual ~Stream() = default;
  // Appends the lines that there are, or a page of them.
  virtual void AppendTo(std::string& out, TimePoint now) = 0;
  // Whether there are more at once.
  virtual bool more() const = 0;
  // When there will be a line even if nothing happens.
  virtual TimePoint next_look() const = 0;
};

}  // namespace ember::api

#endif  // EMBER_API_STREAM_H_
