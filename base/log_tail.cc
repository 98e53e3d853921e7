#include "base/log_tail.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace ember {

void LogTail::Append(std::string_view line) {
  EMBER_CHECK(line.size() <= kCapacityBytes && line.ends_with('\n'));
  const MutexLock lock(mutex_);
  if (ring_ == nullptr) ring_ = std::make_unique_for_overwrite<char[]>(kCapacityBytes);
  while (end_.bytes - begin_.bytes + line.size() > kCapacityBytes) begin_ = AfterLineLocked(begin_);
  const size_t at = end_.bytes % kCapacityBytes;
  const size_t first = std::min(line.size(), kCapacityBytes - at);
  std::memcpy(ring_.get() + at, line.data(), first);
  std::memcpy(ring_.get(), line.data() + first, line.size() - first);
  end_.bytes += line.size();
  ++end_.lines;
  if (listener_) listener_();
}

LogTail::Place LogTail::AfterLineLocked(Place place) const {
  const size_t at = place.bytes % kCapacityBytes;
  const char* const begin = ring_.get() + at;
  const auto* end = static_cast<const char*>(std::memchr(begin, '\n', kCapacityBytes - at));
  size_t length = 0;
  if (end != nullptr) {
    length = static_cast<size_t>(end - begin) + 1;
  } else {  // it goes on where the ring begins
    end = static_cast<const char*>(std::memchr(ring_.get(), '\n', at));
    length = kCapacityBytes - at + static_cast<size_t>(end - ring_.get()) + 1;
  }
  return {.bytes = place.bytes + length, .lines = place.lines + 1};
}

LogTail::Place LogTail::end() const {
  const MutexLock lock(mutex_);
  return end_;
}

LogTail::Place LogTail::Before(uint64_t lines) const {
  const MutexLock lock(mutex_);
  Place place = begin_;
  while (end_.lines - place.lines > lines) place = AfterLineLocked(place);
  return place;
}

LogTail::Page LogTail::From(Place place, size_t limit_bytes) const {
  const MutexLock lock(mutex_);
  Page page{.next = place};
  if (place.bytes < begin_.bytes) {
    page.lost_lines = begin_.lines - place.lines;
    page.next = begin_;
  }
  const uint64_t from = page.next.bytes;
  while (page.next.bytes < end_.bytes) {
    const Place next = AfterLineLocked(page.next);
    if (page.next.bytes > from && next.bytes - from > limit_bytes) break;
    page.next = next;
  }
  const size_t at = from % kCapacityBytes;
  const size_t size = page.next.bytes - from;
  const size_t first = std::min(size, kCapacityBytes - at);
  if (size > 0) page.text.assign(ring_.get() + at, first).append(ring_.get(), size - first);
  return page;
}

void LogTail::SetListener(std::function<void()> listener) {
  const MutexLock lock(mutex_);
  listener_ = std::move(listener);
}

}  // namespace ember
