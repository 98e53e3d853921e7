#include "firmware/x86_64/acpi_dsdt.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "devices/acpi_power.h"
#include "firmware/acpi/aml.h"
#include "firmware/acpi/aml_resources.h"
#include "firmware/acpi/tables.h"

namespace ember::firmware::x86_64 {
namespace {

constexpr uint8_t kRevision = 2;                // integers have 64 bits
constexpr uint64_t kPowerButtonPressed = 0x80;  // ACPI 6.4, table 5.165
constexpr uint64_t kGenerationChanged = 0x80;   // "Virtual Machine Generation ID"
constexpr uint64_t kVmClockChanged = 0x80;      // any value will do

// Where every PC has its keyboard controller.
constexpr uint16_t kKeyboardDataPort = 0x60;
constexpr uint16_t kKeyboardCommandPort = 0x64;
constexpr Gsi kKeyboardGsi{1};

// Names of numbered devices: a letter and three hexadecimal digits.
constexpr size_t kMaxNumbered = 0x1000;

std::string NumberedName(char letter, size_t number) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  EMBER_CHECK(number < kMaxNumbered);
  return {letter, kDigits[number >> 8], kDigits[number >> 4 & 0xf], kDigits[number & 0xf]};
}

aml::Term Crs(const std::vector<aml::Resource>& resources) {
  return aml::Name("_CRS", aml::ResourceTemplate(resources));
}

aml::Term Processor(size_t number) {
  return aml::Device(NumberedName('C', number), {aml::Name("_HID", aml::String("ACPI0007")),
                                                 aml::Name("_UID", aml::Integer(number))});
}

aml::Term VirtioMmio(const MmioDevice& device, size_t number) {
  return aml::Device(NumberedName('V', number),
                     {aml::Name("_HID", aml::String("LNRO0005")),
                      aml::Name("_UID", aml::Integer(number)), aml::Name("_CCA", aml::Integer(1)),
                      Crs({aml::Memory32Fixed(static_cast<uint32_t>(ToInteger(device.range.start)),
                                              static_cast<uint32_t>(device.range.size_bytes),
                                              aml::MemoryUse::kReadWrite),
                           aml::EdgeInterrupt(device.gsi)})});
}

aml::Term Serial(const SerialPort& serial) {
  EMBER_CHECK(serial.port_count <= std::numeric_limits<uint8_t>::max());
  return aml::Device("COM1",
                     {aml::Name("_HID", aml::EisaId("PNP0501")), aml::Name("_UID", aml::Integer(0)),
                      Crs({aml::IoPorts(serial.port, static_cast<uint8_t>(serial.port_count)),
                           aml::EdgeInterrupt(serial.gsi)})});
}

aml::Term Keyboard() {
  return aml::Device(
      "PS2K", {aml::Name("_HID", aml::EisaId("PNP0303")),
               Crs({aml::IoPorts(kKeyboardDataPort, 1), aml::IoPorts(kKeyboardCommandPort, 1),
                    aml::EdgeInterrupt(kKeyboardGsi)})});
}

// QEMU's docs/specs/pvpanic names it.
aml::Term PanicReport(uint16_t port) {
  return aml::Device("PEVT",
                     {aml::Name("_HID", aml::String("QEMU0001")), Crs({aml::IoPorts(port, 1)})});
}

aml::Term PowerButton() { return aml::Device("PWRB", {aml::Name("_HID", aml::EisaId("PNP0C0C"))}); }

// Guests know it by its compatible ids: all by the first, Linux since 6.10 by the second one too,
// by which it also finds the driver's module.
aml::Term GenerationId(GuestAddress at) {
  const uint64_t address = ToInteger(at);
  return aml::Device(
      "VGEN",
      {aml::Name("_HID", aml::String("EMBR0001")),
       aml::Name("_CID", aml::Package({aml::String("VM_Gen_Counter"), aml::String("VMGENCTR")})),
       aml::Name("_DDN", aml::String("VM_Gen_Counter")),
       aml::Name("ADDR",
                 aml::Package({aml::Integer(address & 0xffffffff), aml::Integer(address >> 32)}))});
}

// Guests know it by either id. Nothing but its page is theirs.
aml::Term VmClock(const GuestRange& page) {
  return aml::Device(
      "VCLK", {aml::Name("_HID", aml::String("AMZNC10C")),
               aml::Name("_CID", aml::String("VMCLOCK")), aml::Name("_DDN", aml::String("VMCLOCK")),
               Crs({aml::Memory32Fixed(static_cast<uint32_t>(ToInteger(page.start)),
                                       static_cast<uint32_t>(page.size_bytes),
                                       aml::MemoryUse::kReadOnly)})});
}

// Notifies `device` where `event` is in what the event register had.
aml::Term NotifyOf(uint8_t event, std::string_view device, uint64_t notification) {
  return aml::If(aml::And(aml::Local(0), aml::Integer(event)),
                 {aml::Notify(aml::Path(device), aml::Integer(notification))});
}

// Its interrupt says that the event register has something; a read takes it.
aml::Term EventDevice(const PowerControl& power, const Platform& platform) {
  const aml::Value gsi = aml::Integer(static_cast<uint32_t>(power.gsi));
  aml::Terms events{aml::Store(aml::Path("EVTS"), aml::Local(0)),
                    NotifyOf(AcpiEventRegister::kPowerButton, "\\_SB.PWRB", kPowerButtonPressed)};
  constexpr uint8_t kNewGeneration = AcpiEventRegister::kNewGeneration;
  if (platform.generation_id) {
    events.push_back(NotifyOf(kNewGeneration, "\\_SB.VGEN", kGenerationChanged));
  }
  if (platform.vm_clock) {
    events.push_back(NotifyOf(kNewGeneration, "\\_SB.VCLK", kVmClockChanged));
  }
  return aml::Device(
      "GED0", {aml::Name("_HID", aml::String("ACPI0013")), Crs({aml::EdgeInterrupt(power.gsi)}),
               aml::OperationRegion("EREG", {.space = aml::RegionSpace::kSystemMemory,
                                             .start = power.event_register,
                                             .size_bytes = AcpiEventRegister::kRegisterBytes}),
               aml::Field("EREG", aml::FieldAccess::kByte, {{.name = "EVTS", .bits = 8}}),
               aml::Method("_EVT", {.argument_count = 1, .serialized = true},
                           {aml::If(aml::Equal(aml::Arg(0), gsi), events)})});
}

// The value for the sleep control register that means soft off (ACPI 6.4, 7.4.2).
aml::Term SoftOff() {
  return aml::Name("_S5", aml::Package({aml::Integer(kAcpiSleepTypeS5), aml::Integer(0)}));
}

Status CheckVirtio(const std::vector<MmioDevice>& devices) {
  if (devices.size() > kMaxNumbered) {
    return Error(Concat(devices.size(), " virtio devices exceed the ", kMaxNumbered,
                        " that ACPI names are made for"));
  }
  constexpr uint64_t kLimit = uint64_t{1} << 32;
  for (const MmioDevice& device : devices) {
    const uint64_t start = ToInteger(device.range.start);
    if (start >= kLimit || device.range.size_bytes > kLimit - start) {
      return Error(Concat("the virtio device of ", Hex{device.range.size_bytes}, " bytes at ",
                          device.range.start, " is not below 4 GiB"));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<std::byte>> Dsdt(const Platform& platform) {
  TRY(CheckVirtio(platform.virtio_mmio));
  if (platform.apic_ids.size() > kMaxNumbered) {
    return Error(Concat(platform.apic_ids.size(), " processors exceed the ", kMaxNumbered,
                        " that ACPI names are made for"));
  }
  aml::Terms devices;
  for (size_t i = 0; i < platform.apic_ids.size(); ++i) devices.push_back(Processor(i));
  for (size_t i = 0; i < platform.virtio_mmio.size(); ++i) {
    devices.push_back(VirtioMmio(platform.virtio_mmio[i], i));
  }
  if (platform.serial) devices.push_back(Serial(*platform.serial));
  if (platform.has_i8042) devices.push_back(Keyboard());
  if (platform.panic_port) devices.push_back(PanicReport(*platform.panic_port));
  if (platform.generation_id) devices.push_back(GenerationId(*platform.generation_id));
  if (platform.vm_clock) devices.push_back(VmClock(*platform.vm_clock));
  if (platform.power) {
    devices.push_back(PowerButton());
    devices.push_back(EventDevice(*platform.power, platform));
  }
  aml::Terms all{aml::Scope("\\_SB", devices)};
  if (platform.power) all.push_back(SoftOff());
  return acpi::Table({.signature = "DSDT", .revision = kRevision}, aml::Join(all));
}

}  // namespace ember::firmware::x86_64
