#ifndef EMBER_BASE_GAUGE_H_
#define EMBER_BASE_GAUGE_H_

#include <atomic>
#include <cstdint>

namespace ember {

// The latest of some measured values, which any thread may set and any thread may read. Relaxed: a
// reader sees some recent value and no order with other memory.
class Gauge {
 public:
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace ember

#endif  // EMBER_BASE_GAUGE_H_
