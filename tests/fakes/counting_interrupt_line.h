#ifndef EMBER_TESTS_FAKES_COUNTING_INTERRUPT_LINE_H_
#define EMBER_TESTS_FAKES_COUNTING_INTERRUPT_LINE_H_

#include <atomic>
#include <cstdint>

#include "devices/interrupt_line.h"

namespace ember {

// Counts its edges. Any thread.
class CountingInterruptLine final : public InterruptLine {
 public:
  void Trigger() override { count_.fetch_add(1, std::memory_order_relaxed); }

  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  // The edges since the last call.
  uint64_t Take() { return count_.exchange(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> count_{0};
};

}  // namespace ember

#endif  // EMBER_TESTS_FAKES_COUNTING_INTERRUPT_LINE_H_
