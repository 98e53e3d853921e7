#include "base/journal.h"

#include <algorithm>
#include <utility>

namespace ember {
namespace {

constexpr uint64_t kMsPerSecond = 1000;

std::vector<Journal::Field> Cut(std::vector<Journal::Field> fields) {
  for (Journal::Field& field : fields) {
    auto* text = std::get_if<std::string>(&field.value);
    if (text != nullptr && text->size() > Journal::kMaxTextBytes) {
      text->resize(Journal::kMaxTextBytes);
    }
  }
  return fields;
}

}  // namespace

Journal::Journal(const Clock& clock)
    : clock_(clock),
      guest_limit_({.size = kGuestBurst,
                    .refill_time_ms = kGuestBurst * kMsPerSecond / kGuestRecordsPerSecond},
                   clock.Now()) {}

void Journal::Append(std::string_view event, std::vector<Field> fields) {
  const MutexLock lock(mutex_);
  AppendLocked(event, std::move(fields));
}

void Journal::AppendLimited(std::string_view event, std::vector<Field> fields) {
  const MutexLock lock(mutex_);
  if (!guest_limit_.Consume(1, clock_.Now())) {
    ++skipped_;
    return;
  }
  const uint64_t skipped = std::exchange(skipped_, 0);
  if (skipped > 0) fields.push_back({"skipped", skipped});
  AppendLocked(event, std::move(fields));
}

void Journal::AppendLocked(std::string_view event, std::vector<Field> fields) {
  if (records_.size() == kMaxRecords) records_.pop_front();
  records_.push_back({.sequence = ++last_,
                      .time = std::chrono::system_clock::now().time_since_epoch(),
                      .event = event,
                      .fields = Cut(std::move(fields))});
  if (listener_) listener_();
}

uint64_t Journal::last() const {
  const MutexLock lock(mutex_);
  return last_;
}

Journal::Page Journal::After(uint64_t sequence, size_t limit) const {
  const MutexLock lock(mutex_);
  Page page;
  if (sequence >= last_) return page;
  const uint64_t first_kept = last_ - records_.size() + 1;
  const uint64_t wanted = std::max(sequence + 1, first_kept);
  page.lost = wanted - (sequence + 1);
  const uint64_t begin = wanted - first_kept;
  const uint64_t end = std::min<uint64_t>(records_.size(), begin + limit);
  for (uint64_t i = begin; i < end; ++i) page.records.push_back(records_[i]);
  return page;
}

void Journal::SetListener(std::function<void()> listener) {
  const MutexLock lock(mutex_);
  listener_ = std::move(listener);
}

}  // namespace ember
