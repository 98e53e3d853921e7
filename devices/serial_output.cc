#include "devices/serial_output.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace ember {

Result<std::unique_ptr<SerialOutput>> SerialOutput::Create(EventLoop& loop, Fd fd,
                                                           const TokenBucketOptions& rate_limit,
                                                           const Clock& clock) {
  Fd wake = TRY(CreateEventFd());
  std::unique_ptr<SerialOutput> output(
      new SerialOutput(loop, std::move(fd), std::move(wake), rate_limit, clock));
  SerialOutput* const self = output.get();
  output->wake_watch_ = TRY(loop.WatchReadable(output->wake_.get(), [self] { self->OnWake(); }));
  return output;
}

SerialOutput::SerialOutput(EventLoop& loop, Fd fd, Fd wake, const TokenBucketOptions& rate_limit,
                           const Clock& clock)
    : loop_(loop),
      fd_(std::move(fd)),
      wake_(std::move(wake)),
      clock_(clock),
      rate_limit_(rate_limit, clock.Now()),
      rate_limited_(rate_limit.size != 0 && rate_limit.refill_time_ms != 0),
      // Not cleared, so that its pages cost memory only once they are used.
      buffer_(std::make_unique_for_overwrite<std::array<std::byte, kBufferBytes>>()) {}

SerialOutput::~SerialOutput() { WriteGathered(); }

void SerialOutput::Put(std::byte byte) {
  {
    const MutexLock lock(mutex_);
    if (rate_limited_ && !rate_limit_.Consume(1, clock_.Now())) {
      metrics_.rate_limited_bytes.Add();
      return;
    }
    if (count_ == kBufferBytes) {
      metrics_.dropped_bytes.Add();
      return;
    }
    (*buffer_)[(first_ + count_) % kBufferBytes] = byte;
    ++count_;
    if (flush_pending_) return;
    flush_pending_ = true;
  }
  // Cannot fail: the count it adds to is at most the number of flushes that wait, which is one.
  static_cast<void>(::eventfd_write(wake_.get(), 1));
}

void SerialOutput::Flush() {
  switch (WriteGathered()) {
    case Progress::kEmpty:
      writable_watch_.reset();
      break;
    case Progress::kBlocked:
      FlushWhenWritable();
      break;
    case Progress::kMore:
      FlushAfter(std::chrono::nanoseconds::zero());
      break;
  }
  ReportDrops();
}

void SerialOutput::Drain(std::chrono::milliseconds at_most) {
  const auto deadline = clock_.Now() + at_most;
  while (WriteGathered() != Progress::kEmpty) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_.Now()).count();
    if (left <= 0) return;
    pollfd writable{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
    if (::poll(&writable, 1, static_cast<int>(left)) == 0) return;
  }
}

size_t SerialOutput::buffered_bytes() const {
  const MutexLock lock(mutex_);
  return count_;
}

void SerialOutput::OnWake() {
  eventfd_t ignored = 0;
  static_cast<void>(::eventfd_read(wake_.get(), &ignored));
  FlushAfter(kGatherTime);
}

void SerialOutput::FlushAfter(std::chrono::nanoseconds delay) {
  Result<EventLoop::Watch> timer = loop_.CallAfter(delay, [this] {
    gather_timer_.reset();
    Flush();
  });
  if (!timer.has_value()) {
    EMBER_LOG_LIMITED(kError, "serial output: ", timer.error().message());
    DropAll();
    return;
  }
  gather_timer_ = *std::move(timer);
}

void SerialOutput::FlushWhenWritable() {
  if (writable_watch_.has_value()) return;
  Result<EventLoop::Watch> watch = loop_.WatchWritable(fd_.get(), [this] { Flush(); });
  if (!watch.has_value()) {
    EMBER_LOG_LIMITED(kError, "serial output: ", watch.error().message());
    DropAll();
    return;
  }
  writable_watch_ = *std::move(watch);
}

SerialOutput::Progress SerialOutput::WriteGathered() {
  for (size_t written = 0; written < kBufferBytes;) {
    const std::span<const std::byte> run = NextRun();
    if (run.empty()) return Progress::kEmpty;
    const ssize_t count = ::write(fd_.get(), run.data(), run.size());
    if (count >= 0) {
      metrics_.writes.Add();
      metrics_.written_bytes.Add(static_cast<uint64_t>(count));
      Discard(static_cast<size_t>(count));
      written += static_cast<size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Progress::kBlocked;
    metrics_.write_errors.Add();
    EMBER_LOG_LIMITED(kWarning, "serial output: write: ", std::strerror(errno));
    DropAll();
  }
  return Progress::kMore;
}

std::span<const std::byte> SerialOutput::NextRun() {
  const MutexLock lock(mutex_);
  if (count_ == 0) flush_pending_ = false;
  return std::span(*buffer_).subspan(first_, std::min(count_, kBufferBytes - first_));
}

void SerialOutput::Discard(size_t count) {
  const MutexLock lock(mutex_);
  count_ -= count;
  // Empty, it starts over: the pages that it used before are the ones it uses next.
  first_ = count_ == 0 ? 0 : (first_ + count) % kBufferBytes;
}

void SerialOutput::DropAll() {
  const MutexLock lock(mutex_);
  metrics_.dropped_bytes.Add(count_);
  count_ = 0;
  flush_pending_ = false;
}

void SerialOutput::ReportDrops() {
  const uint64_t drops = metrics_.dropped_bytes.value() + metrics_.rate_limited_bytes.value();
  if (drops == reported_drops_) return;
  EMBER_LOG_LIMITED(kWarning, "serial output: ", drops,
                    " bytes dropped so far; the reader is slow or the rate limit reached");
  reported_drops_ = drops;
}

}  // namespace ember
