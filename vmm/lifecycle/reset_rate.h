#ifndef EMBER_VMM_LIFECYCLE_RESET_RATE_H_
#define EMBER_VMM_LIFECYCLE_RESET_RATE_H_

#include <chrono>
#include <cstddef>
#include <deque>

namespace ember::vmm {

// The resets that a guest's ends have caused lately, so that one that ends again and again does not
// keep the host busy for ever. One thread at a time.
class ResetRate {
 public:
  static constexpr std::chrono::minutes kPeriod{1};

  // Whether there have been less than `limit` in the period before `now`; then this is another.
  // `now` never goes back.
  bool Admit(size_t limit, std::chrono::nanoseconds now) {
    while (!resets_.empty() && now - resets_.front() >= kPeriod) resets_.pop_front();
    if (resets_.size() >= limit) return false;
    resets_.push_back(now);
    return true;
  }

 private:
  std::deque<std::chrono::nanoseconds> resets_;  // when, in order; as many as the limit at most
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_LIFECYCLE_RESET_RATE_H_
