// A guest that makes any accesses it likes to a bus with all devices on it, between events from
// outside: input at the console, keys, the power button, a snapshot restored.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/check.h"
#include "devices/acpi_power.h"
#include "devices/boot_timer.h"
#include "devices/bus.h"
#include "devices/i8042.h"
#include "devices/panic_report.h"
#include "devices/serial.h"
#include "tests/base/fake_clock.h"
#include "tests/fakes/counting_interrupt_line.h"
#include "tests/fakes/recording_request_sink.h"
#include "tests/fakes/recording_serial_sink.h"

namespace ember {
namespace {

constexpr uint64_t kI8042Base = 0x60;
constexpr uint64_t kSerialBase = 0x3f8;
constexpr uint64_t kPanicBase = 0x505;
constexpr uint64_t kSleepBase = 0x600;
constexpr uint64_t kEventBase = 0x700;
constexpr uint64_t kTimerBase = 0x1000;
constexpr std::array<uint64_t, 6> kBases{kI8042Base, kSerialBase, kPanicBase,
                                         kSleepBase, kEventBase,  kTimerBase};
constexpr std::array<size_t, 5> kLengths{1, 2, 4, 8, 3};

struct Surroundings {
  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  RecordingSerialSink sink;
  FakeClock clock;
};

struct Machine {
  Machine(Surroundings& with, const Serial::State& serial_state, const I8042::State& i8042_state,
          const AcpiEventRegister::State& event_state)
      : serial(std::make_shared<Serial>(with.interrupt, with.sink, serial_state)),
        i8042(std::make_shared<I8042>(with.interrupt, with.machine, i8042_state)),
        events(std::make_shared<AcpiEventRegister>(with.interrupt, event_state)) {
    Attach(kI8042Base, I8042::kRegisterBytes, i8042);
    Attach(kSerialBase, Serial::kRegisterBytes, serial);
    Attach(kPanicBase, PanicReport::kRegisterBytes, std::make_shared<PanicReport>(with.machine));
    Attach(kSleepBase, AcpiSleepRegisters::kRegisterBytes,
           std::make_shared<AcpiSleepRegisters>(with.machine));
    Attach(kEventBase, AcpiEventRegister::kRegisterBytes, events);
    Attach(kTimerBase, BootTimer::kRegisterBytes,
           std::make_shared<BootTimer>(with.clock, with.clock, BootTimer::Start{}));
  }

  void Attach(uint64_t base, uint64_t size_bytes, std::shared_ptr<BusDevice> device) {
    EMBER_CHECK(bus.Insert({base, size_bytes}, std::move(device)).has_value());
  }

  std::shared_ptr<Serial> serial;
  std::shared_ptr<I8042> i8042;
  std::shared_ptr<AcpiEventRegister> events;
  Bus bus;
};

// One step of the input: what, where, what value.
struct Step {
  uint8_t action;
  uint8_t place;
  uint8_t value;
};

uint64_t Address(Step step) { return kBases[step.place % kBases.size()] + step.place / 6 % 12 - 1; }

void Access(Machine& machine, Step step, bool is_write) {
  std::array<std::byte, 8> bytes{};
  bytes.fill(std::byte{step.value});
  const std::span<std::byte> access =
      std::span(bytes).first(kLengths[step.action / 8 % kLengths.size()]);
  if (is_write) {
    machine.bus.Write(Address(step), access);
    return;
  }
  if (machine.bus.Read(Address(step), access)) return;
  for (const std::byte byte : access) EMBER_CHECK(byte == std::byte{0});
}

void Type(Machine& machine, Step step) {
  std::array<std::byte, 255> text{};
  text.fill(std::byte{step.value});
  const size_t room = machine.serial->ReceiveRoom();
  EMBER_CHECK(room <= Serial::kReceiveFifoBytes);
  const size_t offered = step.place;
  const size_t taken = machine.serial->Receive(std::span(text).first(offered));
  EMBER_CHECK(taken == std::min(room, offered));
}

}  // namespace
}  // namespace ember

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ember;  // NOLINT(google-build-using-namespace): the signature is libFuzzer's
  Surroundings surroundings;
  auto machine = std::make_unique<Machine>(surroundings, Serial::State{}, I8042::State{},
                                           AcpiEventRegister::State{});
  const std::span<const uint8_t> input(data, size);
  for (size_t at = 0; at + 3 <= input.size(); at += 3) {
    const Step step{input[at], input[at + 1], input[at + 2]};
    switch (step.action % 8) {
      case 0:
      case 1:
        Access(*machine, step, /*is_write=*/false);
        break;
      case 2:
      case 3:
        Access(*machine, step, /*is_write=*/true);
        break;
      case 4:
        Type(*machine, step);
        break;
      case 5:
        machine->events->PressPowerButton();
        break;
      case 6:
        static_cast<void>(machine->i8042->SendCtrlAltDel());
        break;
      case 7: {
        Serial::State serial = machine->serial->Save();
        I8042::State i8042 = machine->i8042->Save();
        // Now and then one that nothing of ours ever saved.
        if (step.place % 4 == 0) serial.received_count = step.value;
        if (step.place % 4 == 1) i8042.keyboard_out_count = step.value;
        if (step.place % 4 == 2) i8042.target = static_cast<I8042::DataTarget>(step.value);
        machine = std::make_unique<Machine>(surroundings, serial, i8042, machine->events->Save());
        break;
      }
      default:
        break;
    }
  }
  return 0;
}
