#ifndef EMBER_DEVICES_SERIAL_OUTPUT_H_
#define EMBER_DEVICES_SERIAL_OUTPUT_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/counter.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "base/token_bucket.h"
#include "devices/serial_sink.h"

namespace ember {

// Carries a serial port's output to a descriptor. A vCPU only puts its byte into a buffer of fixed
// size; the loop thread writes what has gathered, at most kGatherTime after the first byte came. A
// reader that is slow, or the rate limit, costs bytes, which are counted, never time on a vCPU.
//
// Put() on any thread, the rest on the loop thread or while the loop does not run. SIGPIPE must not
// end the process (base/fatal_signals.h).
class SerialOutput final : public SerialSink {
 public:
  static constexpr size_t kBufferBytes = size_t{64} * 1024;
  // Short to a person at the console, long enough for hundreds of bytes to share a write.
  static constexpr std::chrono::milliseconds kGatherTime{2};

  struct Metrics {
    Counter written_bytes;
    Counter writes;
    Counter dropped_bytes;       // the buffer was full, or the reader is gone
    Counter rate_limited_bytes;  // dropped by the rate limit
    Counter write_errors;
  };

  // Takes a non-blocking descriptor (devices/console_fd.h). The loop and clock must outlive it.
  static Result<std::unique_ptr<SerialOutput>> Create(EventLoop& loop, Fd fd,
                                                      const TokenBucketOptions& rate_limit,
                                                      const Clock& clock);
  // Writes what can be written without waiting.
  ~SerialOutput() override;

  void Put(std::byte byte) override EXCLUDES(mutex_);

  // Writes what has gathered, as far as the reader takes it; the rest follows when it takes more.
  void Flush() EXCLUDES(mutex_);
  // Writes what has gathered and waits for a slow reader, but not longer than `at_most`: for the
  // guest's last words, once its vCPUs have stopped.
  void Drain(std::chrono::milliseconds at_most) EXCLUDES(mutex_);

  size_t buffered_bytes() const EXCLUDES(mutex_);
  const Metrics& metrics() const { return metrics_; }

 private:
  enum class Progress { kEmpty, kBlocked, kMore };

  SerialOutput(EventLoop& loop, Fd fd, Fd wake, const TokenBucketOptions& rate_limit,
               const Clock& clock);

  void OnWake();
  void FlushAfter(std::chrono::nanoseconds delay);
  void FlushWhenWritable();
  // Writes until all is written, the reader is full, or a bufferful is written.
  Progress WriteGathered() EXCLUDES(mutex_);
  // The longest run of buffered bytes that lies in one piece. Put() does not touch it.
  std::span<const std::byte> NextRun() EXCLUDES(mutex_);
  void Discard(size_t count) EXCLUDES(mutex_);
  void DropAll() EXCLUDES(mutex_);
  void ReportDrops();

  // Constant.
  EventLoop& loop_;
  const Fd fd_;
  const Fd wake_;  // signalled by the first byte into an idle buffer
  const Clock& clock_;

  Metrics metrics_;

  // Loop thread.
  uint64_t reported_drops_ = 0;
  std::optional<EventLoop::Watch> wake_watch_;
  std::optional<EventLoop::Watch> gather_timer_;
  std::optional<EventLoop::Watch> writable_watch_;

  mutable Mutex mutex_;
  TokenBucket rate_limit_ GUARDED_BY(mutex_);
  const bool rate_limited_;
  const std::unique_ptr<std::array<std::byte, kBufferBytes>> buffer_;  // a ring
  size_t first_ GUARDED_BY(mutex_) = 0;
  size_t count_ GUARDED_BY(mutex_) = 0;
  bool flush_pending_ GUARDED_BY(mutex_) = false;  // the loop thread knows of bytes to write
};

}  // namespace ember

#endif  // EMBER_DEVICES_SERIAL_OUTPUT_H_
