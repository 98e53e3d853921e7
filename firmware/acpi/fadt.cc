#include "firmware/acpi/fadt.h"

#include <span>
#include <string_view>

#include "base/endian.h"
#include "firmware/acpi/tables.h"
#include "firmware/append_le.h"

namespace ember::firmware::acpi {
namespace {

constexpr uint8_t kSpecificationMajor = 6;
constexpr uint8_t kSpecificationMinor = 4;

// Offsets in the table (ACPI 6.4, table 5.9). What is not here is zero: hardware-reduced machines
// have no fixed event, timer and general-purpose registers, no SCI and no FACS.
enum class Offset : size_t {
  kDsdt = 40,
  kBootArchitecture = 109,
  kFlags = 112,
  kResetRegister = 116,
  kResetValue = 128,
  kMinorVersion = 131,
  kDsdt64 = 140,
  kSleepControl = 244,
  kSleepStatus = 256,
  kHypervisorVendor = 268,
  kEnd = 276,
};

// Table 5.10.
constexpr uint32_t kWbinvdWorks = 1U << 0;
constexpr uint32_t kHaltWorks = 1U << 2;  // C1 on all processors
constexpr uint32_t kNoFixedPowerButton = 1U << 4;
constexpr uint32_t kNoFixedSleepButton = 1U << 5;
constexpr uint32_t kResetSupported = 1U << 10;
constexpr uint32_t kHardwareReduced = 1U << 20;

constexpr std::string_view kHypervisorVendor = "EMBER";

// The table without its header, written by offsets in the whole.
class Body {
 public:
  template <std::unsigned_integral T>
  void Put(Offset at, T value) {
    StoreLe(value, From(at));
  }
  // A generic address structure (ACPI 6.4, 5.2.3.2) of one port, accessed as a byte.
  void PutPort(Offset at, uint16_t port) {
    constexpr uint8_t kSystemIo = 1;
    constexpr uint8_t kWidthBits = 8;
    constexpr uint8_t kByteAccess = 1;
    const std::span<std::byte> out = From(at);
    StoreLe(kSystemIo, out);
    StoreLe(kWidthBits, out.subspan(1));
    StoreLe(kByteAccess, out.subspan(3));
    StoreLe<uint64_t>(port, out.subspan(4));
  }
  void PutText(Offset at, std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      StoreLe(static_cast<uint8_t>(text[i]), From(at).subspan(i));
    }
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> From(Offset at) {
    return std::span(bytes_).subspan(static_cast<size_t>(at) - kTableHeaderBytes);
  }

  std::vector<std::byte> bytes_ =
      std::vector<std::byte>(static_cast<size_t>(Offset::kEnd) - kTableHeaderBytes);
};

}  // namespace

std::vector<std::byte> HardwareReducedFadt(const FadtParameters& parameters) {
  uint32_t flags =
      kHardwareReduced | kWbinvdWorks | kHaltWorks | kNoFixedPowerButton | kNoFixedSleepButton;
  Body body;
  body.Put(Offset::kDsdt, static_cast<uint32_t>(ToInteger(parameters.dsdt)));
  body.Put(Offset::kDsdt64, ToInteger(parameters.dsdt));
  body.Put(Offset::kBootArchitecture, parameters.boot_architecture);
  if (parameters.reset) {
    flags |= kResetSupported;
    body.PutPort(Offset::kResetRegister, parameters.reset->port);
    body.Put(Offset::kResetValue, parameters.reset->value);
  }
  body.Put(Offset::kFlags, flags);
  body.Put(Offset::kMinorVersion, kSpecificationMinor);
  if (parameters.sleep_control_port) {
    body.PutPort(Offset::kSleepControl, *parameters.sleep_control_port);
  }
  if (parameters.sleep_status_port) {
    body.PutPort(Offset::kSleepStatus, *parameters.sleep_status_port);
  }
  body.PutText(Offset::kHypervisorVendor, kHypervisorVendor);
  return Table({.signature = "FACP", .revision = kSpecificationMajor}, body.bytes());
}

}  // namespace ember::firmware::acpi
