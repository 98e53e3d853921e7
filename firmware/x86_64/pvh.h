#ifndef EMBER_FIRMWARE_X86_64_PVH_H_
#define EMBER_FIRMWARE_X86_64_PVH_H_

#include <optional>
#include <span>

#include "base/result.h"
#include "firmware/elf_image.h"
#include "firmware/image_file.h"
#include "firmware/x86_64/e820.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

// Xen's "x86/HVM direct boot ABI": a 32-bit entry into an ELF kernel.
namespace ember::firmware::x86_64 {

// The entry that the kernel's note XEN_ELFNOTE_PHYS32_ENTRY names, if it has one. A note of the
// wrong size, or an entry outside the kernel's code or above 4 GiB, is an error.
Result<std::optional<GuestAddress>> FindPvhEntry(const ImageFile& file, const ElfImage& image);

struct PvhStartInfo {
  std::optional<GuestRange> initrd;       // the first module
  GuestAddress command_line{};            // zero-terminated
  std::optional<GuestAddress> acpi_rsdp;  // none: the guest is told 0
  std::span<const MemoryMapEntry> memory_map;
};

// Writes hvm_start_info version 1 and what it points to into layout.h's kPvhArea. Returns its
// address, for EBX.
Result<GuestAddress> WritePvhStartInfo(const GuestMemory& memory, const PvhStartInfo& info);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_PVH_H_
