#ifndef EMBER_DEVICES_I8042_H_
#define EMBER_DEVICES_I8042_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/counter.h"
#include "base/metric_field.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "devices/bus_device.h"
#include "devices/interrupt_line.h"
#include "devices/vm_request.h"

namespace ember {

// A PC's keyboard controller with a keyboard and no mouse, at ports 0x60 to 0x64: enough for a
// guest's driver to find it without waiting for a timeout, to take Ctrl-Alt-Del from it, and to
// reset the machine by it. Replies and key codes wait in small queues; what does not fit is
// dropped, as by a keyboard whose computer does not listen. The line is IRQ 1, edge-triggered. Any
// thread.
class I8042 final : public BusDevice {
 public:
  static constexpr uint64_t kRegisterBytes = 5;
  static constexpr size_t kKeyboardQueueBytes = 32;

  // What the next byte to the data port is for.
  enum class DataTarget : uint8_t {
    kKeyboard,
    kKeyboardArgument,  // of the keyboard's command before
    kCommandByte,
    kOutputPort,
    kKeyboardOutput,  // comes back as if from the keyboard
    kAuxOutput,       // comes back as if from the mouse
    kDiscard,
  };

  struct State {
    uint8_t command_byte = 0x65;  // translating, no mouse, interrupt on: as firmware leaves it
    DataTarget target = DataTarget::kKeyboard;
    uint8_t keyboard_command = 0;  // whose argument is awaited
    bool last_write_was_command = false;
    bool scanning = true;  // the keyboard sends keys
    uint8_t scan_code_set = 2;
    std::optional<uint8_t> reply;                             // the controller's own
    std::array<uint8_t, kKeyboardQueueBytes> keyboard_out{};  // oldest first
    uint8_t keyboard_out_count = 0;
  };

  // The first six by the names under which clients read them.
  struct Metrics {
    Counter error_count;         // replies and keys that found the queue full
    Counter missed_read_count;   // not one byte, or of a port between the two
    Counter missed_write_count;  // likewise
    Counter read_count;
    Counter reset_count;
    Counter write_count;
    Counter dropped_bytes;
    Counter unknown_commands;
  };

  // The references must outlive it.
  I8042(InterruptLine& interrupt, VmRequestSink& machine) : I8042(interrupt, machine, State{}) {}
  // Restored.
  I8042(InterruptLine& interrupt, VmRequestSink& machine, const State& state);

  State Save() const EXCLUDES(mutex_);

  // Of a restored controller, once interrupts can be delivered: triggers the line if a byte waits.
  // An edge that was under way as the state was saved is in no state.
  void RepeatInterrupt() EXCLUDES(mutex_);

  std::string_view name() const override { return "i8042"; }
  void Read(uint64_t offset, std::span<std::byte> out) override EXCLUDES(mutex_);
  void Write(uint64_t offset, std::span<const std::byte> in) override EXCLUDES(mutex_);

  // Presses and releases the three keys. Fails where the guest has turned the keyboard off or does
  // not read it; then nothing is sent.
  Status SendCtrlAltDel() EXCLUDES(mutex_);

  const Metrics& metrics() const { return metrics_; }

 private:
  // Whether the machine is to be reset.
  enum class Outcome { kNone, kReset };

  uint8_t TakeDataLocked() REQUIRES(mutex_);
  uint8_t StatusLocked() const REQUIRES(mutex_);
  Outcome CommandLocked(uint8_t command) REQUIRES(mutex_);
  Outcome DataLocked(uint8_t value) REQUIRES(mutex_);
  void KeyboardCommandLocked(uint8_t command) REQUIRES(mutex_);
  void KeyboardArgumentLocked(uint8_t value) REQUIRES(mutex_);
  bool QueueLocked(std::span<const uint8_t> bytes) REQUIRES(mutex_);
  bool OutputFullLocked() const REQUIRES(mutex_);
  void InterruptIfFullLocked() REQUIRES(mutex_);

  InterruptLine& interrupt_;
  VmRequestSink& machine_;
  Metrics metrics_;

  mutable Mutex mutex_;
  State state_ GUARDED_BY(mutex_);
};

inline constexpr MetricField<I8042::Metrics> kI8042MetricFields[] = {
    {"error_count", &I8042::Metrics::error_count},
    {"missed_read_count", &I8042::Metrics::missed_read_count},
    {"missed_write_count", &I8042::Metrics::missed_write_count},
    {"read_count", &I8042::Metrics::read_count},
    {"reset_count", &I8042::Metrics::reset_count},
    {"write_count", &I8042::Metrics::write_count},
};
// Those that the contract has no key for.
inline constexpr MetricField<I8042::Metrics> kKeyboardMetricFields[] = {
    {"dropped_bytes", &I8042::Metrics::dropped_bytes},
    {"unknown_commands", &I8042::Metrics::unknown_commands},
};

}  // namespace ember

#endif  // EMBER_DEVICES_I8042_H_
