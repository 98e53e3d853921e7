#ifndef EMBER_FIRMWARE_X86_64_SETUP_HEADER_H_
#define EMBER_FIRMWARE_X86_64_SETUP_HEADER_H_

#include <asm/bootparam.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ember::firmware::x86_64 {

// Where the header lies, in a bzImage as in the zero page, and the room it has there.
inline constexpr uint64_t kSetupHeaderOffset = offsetof(boot_params, hdr);
inline constexpr uint64_t kSetupHeaderRoomBytes =
    offsetof(boot_params, edd_mbr_sig_buffer) - kSetupHeaderOffset;
static_assert(kSetupHeaderOffset == 0x1f1 && sizeof(boot_params) == 4096);

// "HdrS" and the boot sector's signature (boot protocol, "header" and "boot_flag").
inline constexpr uint32_t kSetupHeaderMagic = 0x5372'6448;
inline constexpr uint16_t kBootFlag = 0xaa55;

// A kernel's setup header: the fields we know, and after them those of later protocols, which the
// zero page gets as they are. Zero past the header's own length.
struct SetupHeader {
  setup_header fields{};
  std::array<std::byte, kSetupHeaderRoomBytes - sizeof(setup_header)> later_fields{};
};

// The header that an ELF kernel has not got, as protocol 2.12 has it.
SetupHeader SetupHeaderForElf();

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_SETUP_HEADER_H_
