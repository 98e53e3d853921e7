#ifndef EMBER_FIRMWARE_X86_64_ZERO_PAGE_H_
#define EMBER_FIRMWARE_X86_64_ZERO_PAGE_H_

#include <optional>
#include <span>

#include "base/result.h"
#include "firmware/x86_64/e820.h"
#include "firmware/x86_64/setup_header.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware::x86_64 {

struct ZeroPage {
  const SetupHeader& header;  // the kernel's; fields that are the loader's are replaced
  GuestAddress command_line{};
  std::optional<GuestRange> initrd;
  std::optional<GuestAddress> acpi_rsdp;
  GuestAddress setup_data{};  // the first node; 0 for none
  std::span<const MemoryMapEntry> memory_map;
};

// Writes boot_params at layout.h's kZeroPage and returns its address (Linux, "The Linux/x86 Boot
// Protocol" and "Zero Page"). The error names the number of map entries that do not fit.
Result<GuestAddress> WriteZeroPage(const GuestMemory& memory, const ZeroPage& page);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_ZERO_PAGE_H_
