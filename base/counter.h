#ifndef EMBER_BASE_COUNTER_H_
#define EMBER_BASE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace ember {

// A count of events that any thread may add to and any thread may read. Relaxed: a reader sees some
// recent value and no order with other memory.
class Counter {
 public:
  void Add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  // For a count that only this thread adds to, or others in turns with it: spares the processor the
  // locked instruction.
  void AddAlone(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace ember

#endif  // EMBER_BASE_COUNTER_H_
