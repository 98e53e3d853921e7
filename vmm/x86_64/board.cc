#include "vmm/board.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/concat.h"
#include "devices/acpi_power.h"
#include "devices/i8042.h"
#include "devices/panic_report.h"
#include "devices/serial.h"
#include "devices/serial_input.h"
#include "devices/serial_output.h"
#include "devices/vm_clock.h"
#include "firmware/x86_64/layout.h"
#include "virtio/mmio_transport.h"

namespace ember::vmm {
namespace {

// Port space: where PCs have had them, and for pvpanic where QEMU has it.
constexpr uint16_t kI8042Port = 0x60;
constexpr uint16_t kCom1Port = 0x3f8;
constexpr uint16_t kPanicPort = 0x505;
constexpr uint16_t kSleepPort = 0x600;

// MMIO: pages from the start of the gap. Guests of the API contract look for the boot timer in the
// first; virtio devices follow.
constexpr uint64_t kBootTimerAddress = 0xc000'0000;
constexpr uint64_t kEventRegisterAddress = 0xc000'1000;
constexpr uint64_t kVirtioAddress = 0xc000'2000;

// Inputs of the I/O APIC. Below 16 they are also ISA interrupts, of which a PC uses 0 to 2 itself.
constexpr Gsi kKeyboardGsi{1};
constexpr Gsi kCom1Gsi{4};
constexpr Gsi kPowerGsi{9};
// The ISA ones first: a kernel with nothing but an MP table finds the others too, but late. 8 and
// 13 come last because kernels expect a clock and a coprocessor there.
constexpr std::array<uint32_t, 18> kVirtioGsis = {5,  6,  7,  10, 11, 12, 14, 15, 16,
                                                  17, 18, 19, 20, 21, 22, 23, 8,  13};

// The place of that number, which is below that of kVirtioGsis.
constexpr firmware::MmioDevice VirtioPlace(size_t index) {
  constexpr uint64_t kSize = virtio::MmioTransport::kSizeBytes;
  return {.range = {.start = GuestAddress{kVirtioAddress} + index * kSize, .size_bytes = kSize},
          .gsi = Gsi{kVirtioGsis[index]}};
}

// How long a console's reader may keep the end of the machine waiting.
constexpr std::chrono::milliseconds kDrainTime{500};

}  // namespace

class Board::Impl {
 public:
  static Result<std::unique_ptr<Impl>> Create(Options options);

  Bus mmio;
  Bus pio;
  std::vector<firmware::MmioDevice> virtio_places;

  // The devices use the lines and the output; the buses share the devices.
  std::unique_ptr<InterruptLine> keyboard_line;
  std::unique_ptr<InterruptLine> com1_line;
  std::unique_ptr<InterruptLine> power_line;
  std::unique_ptr<SerialOutput> serial_output;
  std::shared_ptr<Serial> serial;
  std::unique_ptr<SerialInput> serial_input;
  std::shared_ptr<I8042> i8042;
  std::shared_ptr<AcpiEventRegister> event_register;
  std::shared_ptr<PanicReport> panic_report;
  std::optional<VmClock> clock;  // a machine that was saved without goes on without
  UartMetrics uart_metrics{};

  bool IsTaken(const firmware::MmioDevice& place) const;

 private:
  Status AddConsole(Options& options);
  Status AddPower(const Options& options);
  Status AddKeyboard(const Options& options);
  Status AddBootTimer(const Options& options);
  void AddClock(const Options& options);
};

Result<std::unique_ptr<Board::Impl>> Board::Impl::Create(Options options) {
  auto impl = std::make_unique<Impl>();
  TRY(impl->AddConsole(options));
  TRY(impl->AddKeyboard(options));
  TRY(impl->AddPower(options));
  TRY(impl->AddBootTimer(options));
  impl->AddClock(options);
  return impl;
}

Status Board::Impl::AddConsole(Options& options) {
  com1_line = TRY(options.vm.CreateInterruptLine(kCom1Gsi));
  serial_output = TRY(SerialOutput::Create(options.loop, std::move(options.console_output),
                                           options.console_limit, MonotonicClock()));
  serial = std::make_shared<Serial>(*com1_line, *serial_output,
                                    options.state ? options.state->serial : Serial::State{});
  TRY(pio.Insert({.base = kCom1Port, .size_bytes = Serial::kRegisterBytes}, serial));
  if (options.console_input) {
    serial_input =
        TRY(SerialInput::Create(options.loop, std::move(*options.console_input), *serial));
  }
  uart_metrics = {.port = &serial->metrics(),
                  .output = &serial_output->metrics(),
                  .input = serial_input ? &serial_input->metrics() : nullptr};
  return {};
}

Status Board::Impl::AddKeyboard(const Options& options) {
  keyboard_line = TRY(options.vm.CreateInterruptLine(kKeyboardGsi));
  I8042::State state;
  if (options.state) state = options.state->keyboard.value_or(state);
  i8042 = std::make_shared<I8042>(*keyboard_line, options.requests, state);
  return pio.Insert({.base = kI8042Port, .size_bytes = I8042::kRegisterBytes}, i8042);
}

Status Board::Impl::AddPower(const Options& options) {
  power_line = TRY(options.vm.CreateInterruptLine(kPowerGsi));
  event_register = std::make_shared<AcpiEventRegister>(
      *power_line, options.state ? options.state->power : AcpiEventRegister::State{});
  TRY(mmio.Insert({.base = kEventRegisterAddress, .size_bytes = AcpiEventRegister::kRegisterBytes},
                  event_register));
  TRY(pio.Insert({.base = kSleepPort, .size_bytes = AcpiSleepRegisters::kRegisterBytes},
                 std::make_shared<AcpiSleepRegisters>(options.requests)));
  panic_report = std::make_shared<PanicReport>(options.requests);
  return pio.Insert({.base = kPanicPort, .size_bytes = PanicReport::kRegisterBytes}, panic_report);
}

Status Board::Impl::AddBootTimer(const Options& options) {
  if (!options.boot_timer) return {};
  return mmio.Insert(
      {.base = kBootTimerAddress, .size_bytes = BootTimer::kRegisterBytes},
      std::make_shared<BootTimer>(MonotonicClock(), ProcessCpuClock(), *options.boot_timer));
}

void Board::Impl::AddClock(const Options& options) {
  if (!options.state) {
    clock.emplace(firmware::x86_64::kVmClock);
  } else if (options.state->clock) {
    clock.emplace(firmware::x86_64::kVmClock, *options.state->clock);
  }
}

Board::Board(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Board::~Board() = default;

Result<std::unique_ptr<Board>> Board::Create(Options options) {
  std::unique_ptr<Impl> impl = TRY(Impl::Create(std::move(options)));
  return std::unique_ptr<Board>(new Board(std::move(impl)));
}

Bus& Board::mmio() { return impl_->mmio; }
Bus& Board::pio() { return impl_->pio; }

BoardState Board::Save() const {
  return {.serial = impl_->serial->Save(),
          .keyboard = impl_->i8042->Save(),
          .power = impl_->event_register->Save(),
          .clock = impl_->clock ? std::optional(impl_->clock->Save()) : std::nullopt};
}

NamePlaces Board::snapshot_names() {
  return {.name = firmware::x86_64::kGenerationId, .full = firmware::x86_64::kBaseMark};
}

bool Board::Impl::IsTaken(const firmware::MmioDevice& place) const {
  return std::ranges::any_of(virtio_places, [&](const firmware::MmioDevice& taken) {
    return taken.range.start == place.range.start;
  });
}

Result<firmware::MmioDevice> Board::TakeVirtioPlace() {
  for (size_t i = 0; i < kVirtioGsis.size(); ++i) {
    const firmware::MmioDevice place = VirtioPlace(i);
    if (impl_->IsTaken(place)) continue;
    impl_->virtio_places.push_back(place);
    return place;
  }
  return Error(Concat("no more than ", kVirtioGsis.size(), " virtio devices fit on the MMIO bus"));
}

Result<firmware::MmioDevice> Board::TakeVirtioPlace(GuestAddress address, Gsi gsi) {
  for (size_t i = 0; i < kVirtioGsis.size(); ++i) {
    const firmware::MmioDevice place = VirtioPlace(i);
    if (place.range.start != address || place.gsi != gsi || impl_->IsTaken(place)) continue;
    impl_->virtio_places.push_back(place);
    return place;
  }
  return Error(Concat("there is no free place at ", Hex{ToInteger(address)}, " with interrupt ",
                      static_cast<uint32_t>(gsi)));
}

firmware::Platform Board::Describe(const GuestMemory& memory, uint32_t vcpu_count) const {
  firmware::Platform platform{
      .virtio_mmio = impl_->virtio_places,
      .serial =
          firmware::SerialPort{
              .port = kCom1Port, .port_count = Serial::kRegisterBytes, .gsi = kCom1Gsi},
      .power =
          firmware::PowerControl{
              .gsi = kPowerGsi,
              .event_register = kEventRegisterAddress,
              .sleep_control_port = kSleepPort + AcpiSleepRegisters::kControlOffset,
              .sleep_status_port = kSleepPort + AcpiSleepRegisters::kStatusOffset},
      .panic_port = kPanicPort,
      .has_i8042 = true,
      .generation_id = firmware::x86_64::kGenerationId};
  if (impl_->clock) platform.vm_clock = {impl_->clock->address(), VmClock::kRegionBytes};
  for (const GuestMemory::Region& region : memory.regions()) platform.ram.push_back(region.range);
  // KVM gives each vCPU its index as APIC id.
  for (uint32_t id = 0; id < vcpu_count; ++id) platform.apic_ids.push_back(id);
  return platform;
}

BoardMetrics Board::metrics() const {
  return {.keyboard = &impl_->i8042->metrics(),
          .uart = &impl_->uart_metrics,
          .panic_report = &impl_->panic_report->metrics()};
}

Status Board::SendCtrlAltDel() { return impl_->i8042->SendCtrlAltDel(); }

Status Board::ShowClock(const GuestMemory& memory) const {
  return impl_->clock ? impl_->clock->Show(memory) : Status();
}

Status Board::BeginGeneration(const GuestMemory& memory, uint64_t clock_generation) {
  if (impl_->clock) TRY(impl_->clock->BeginGeneration(memory, clock_generation));
  impl_->event_register->AnnounceGeneration();
  return {};
}

// Not the event register's, which BeginGeneration() triggers.
void Board::RepeatInterrupts() {
  impl_->serial->RepeatInterrupt();
  impl_->i8042->RepeatInterrupt();
}

void Board::PressPowerButton() { impl_->event_register->PressPowerButton(); }
void Board::DrainConsole() { impl_->serial_output->Drain(kDrainTime); }

}  // namespace ember::vmm
