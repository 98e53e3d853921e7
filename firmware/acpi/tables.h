#ifndef EMBER_FIRMWARE_ACPI_TABLES_H_
#define EMBER_FIRMWARE_ACPI_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "memory/guest_address.h"

// The frame that holds ACPI's tables together (ACPI 6.4, 5.2). Pure functions; any thread.
namespace ember::firmware::acpi {

inline constexpr size_t kTableHeaderBytes = 36;

struct TableId {
  std::string_view signature;  // four letters
  uint8_t revision = 0;
};

// A whole table: header, body, checksum.
std::vector<std::byte> Table(const TableId& id, std::span<const std::byte> body);

// The extended system description table: where the others are.
std::vector<std::byte> Xsdt(std::span<const GuestAddress> tables);

// The root pointer of revision 2, without the table of 32-bit addresses that it replaces. Its
// address is a multiple of 16.
std::vector<std::byte> RootPointer(GuestAddress xsdt);

}  // namespace ember::firmware::acpi

#endif  // EMBER_FIRMWARE_ACPI_TABLES_H_
