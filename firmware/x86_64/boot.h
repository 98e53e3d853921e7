#ifndef EMBER_FIRMWARE_X86_64_BOOT_H_
#define EMBER_FIRMWARE_X86_64_BOOT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

// Putting a Linux kernel into guest memory so that a vCPU can begin at its first instruction.
namespace ember::firmware {

enum class BootProtocol {
  kLinux64,  // bzImage or ELF, entered in long mode with a zero page
  kPvh,      // ELF with Xen's PVH note, entered in 32-bit mode with hvm_start_info
};

// Both descriptors are read at offsets; large pieces may stay mapped as guest memory (see
// GuestMemory::MapFilePrivately()), so the files must not be shortened while the guest lives. The
// descriptors may be closed.
struct BootFiles {
  std::string kernel_path;  // for errors
  const Fd& kernel;
  std::string initrd_path;  // for errors
  const Fd* initrd = nullptr;
};

struct BootParameters {
  std::string command_line;
  // None: PVH where the kernel offers it and there is no device tree, else 64-bit Linux.
  std::optional<BootProtocol> protocol;
  std::optional<GuestAddress> acpi_rsdp;
  std::vector<std::byte> device_tree;  // flattened; empty for none. Only by kLinux64
  std::array<std::byte, 32> rng_seed;  // secret and fresh for each boot. Handed over by kLinux64
};

// Where the boot vCPU starts and what it gets. See kvm/x86_64/entry.h.
struct BootInfo {
  BootProtocol protocol{};
  GuestAddress entry{};
  GuestAddress parameters{};       // boot_params or hvm_start_info
  GuestAddress page_table_root{};  // these three of kLinux64 alone
  GuestAddress gdt{};
  uint16_t gdt_limit = 0;
};

// Loads the kernel, a bzImage (protocol 2.12 or later, with a 64-bit entry) or an ELF64 vmlinux,
// and what it is told, at the places of layout.h. `memory` is fresh: zero but for firmware tables,
// and its first region begins at 0. Both files are hostile: an error names the file, the header
// field and both values, and leaves guest memory in an undefined state.
Result<BootInfo> LoadLinux(const GuestMemory& memory, const BootFiles& files,
                           const BootParameters& parameters);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_X86_64_BOOT_H_
