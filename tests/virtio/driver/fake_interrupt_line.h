#ifndef EMBER_TESTS_VIRTIO_DRIVER_FAKE_INTERRUPT_LINE_H_
#define EMBER_TESTS_VIRTIO_DRIVER_FAKE_INTERRUPT_LINE_H_

#include <atomic>

#include "devices/interrupt_line.h"

namespace ember::virtio::testing {

// Counts, and wakes whoever waits for the count to move. Any thread.
class FakeInterruptLine final : public InterruptLine {
 public:
  void Trigger() override {
    count_.fetch_add(1, std::memory_order_seq_cst);
    count_.notify_all();
  }
  int count() const { return count_.load(std::memory_order_seq_cst); }
  // Returns when the count is not `seen` any more.
  void WaitWhile(int seen) const { count_.wait(seen, std::memory_order_seq_cst); }

 private:
  std::atomic<int> count_{0};
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_FAKE_INTERRUPT_LINE_H_
