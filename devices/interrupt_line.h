#ifndef EMBER_DEVICES_INTERRUPT_LINE_H_
#define EMBER_DEVICES_INTERRUPT_LINE_H_

#include <cstdint>

namespace ember {

// A global system interrupt: an input pin of the interrupt controllers (ACPI 6.4, 5.2.13).
enum class Gsi : uint32_t {};

// One edge-triggered interrupt input of the machine. Trigger() may be called from any thread, costs
// one system call at most and never blocks. The machine's lines are irqfds; a test's is a counter.
class InterruptLine {
 public:
  virtual ~InterruptLine() = default;
  virtual void Trigger() = 0;
};

}  // namespace ember

#endif  // EMBER_DEVICES_INTERRUPT_LINE_H_
