#include "firmware/x86_64/acpi_tables.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "firmware/acpi/fadt.h"
#include "firmware/acpi/tables.h"
#include "firmware/x86_64/acpi_dsdt.h"
#include "firmware/x86_64/acpi_madt.h"
#include "firmware/x86_64/layout.h"

namespace ember::firmware {
namespace {

// The keyboard controller's command port, and the command that pulses its reset line.
constexpr acpi::FadtParameters::PortReset kKeyboardControllerReset{.port = 0x64, .value = 0xfe};

// Hands out the area from its start.
class TableArea {
 public:
  explicit TableArea(const GuestMemory& memory) : memory_(memory) {}

  Result<GuestAddress> Place(std::string_view name, std::span<const std::byte> table) {
    constexpr GuestRange kArea = x86_64::kAcpiArea;
    constexpr uint64_t kAlignment = 16;  // of the root pointer; the others have none
    if (table.size() > kArea.size_bytes - used_) {
      return Error(Concat("ACPI: the ", name, " of ", table.size(), " bytes does not fit in the ",
                          kArea.size_bytes - used_, " bytes left of ", kArea.size_bytes));
    }
    const GuestAddress at = kArea.start + used_;
    TRY_CONTEXT(memory_.WriteBytes(at, table), "ACPI tables");
    used_ += (table.size() + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }

 private:
  const GuestMemory& memory_;
  uint64_t used_ = 0;  // a multiple of the alignment, as the area's size is
};

std::vector<std::byte> Fadt(const Platform& platform, GuestAddress dsdt) {
  acpi::FadtParameters parameters{.dsdt = dsdt,
                                  .boot_architecture = acpi::kBootNoVga | acpi::kBootNoCmosClock};
  if (platform.has_i8042) {
    parameters.boot_architecture |= acpi::kBootHas8042;
    parameters.reset = kKeyboardControllerReset;
  }
  if (platform.power) {
    parameters.sleep_control_port = platform.power->sleep_control_port;
    parameters.sleep_status_port = platform.power->sleep_status_port;
  }
  return acpi::HardwareReducedFadt(parameters);
}

}  // namespace

Result<GuestAddress> WriteAcpiTables(const GuestMemory& memory, const Platform& platform) {
  TableArea area(memory);
  const std::vector<std::byte> devices = TRY(x86_64::Dsdt(platform));
  const GuestAddress dsdt = TRY(area.Place("DSDT", devices));
  const std::array tables{TRY(area.Place("FADT", Fadt(platform, dsdt))),
                          TRY(area.Place("MADT", x86_64::Madt(platform.apic_ids)))};
  const GuestAddress xsdt = TRY(area.Place("XSDT", acpi::Xsdt(tables)));
  return area.Place("root pointer", acpi::RootPointer(xsdt));
}

}  // namespace ember::firmware
