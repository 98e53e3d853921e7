#ifndef EMBER_FIRMWARE_X86_64_BZIMAGE_H_
#define EMBER_FIRMWARE_X86_64_BZIMAGE_H_

#include <cstdint>

#include "base/result.h"
#include "firmware/image_file.h"
#include "firmware/x86_64/setup_header.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

// Linux's compressed kernel image (Linux, "The Linux/x86 Boot Protocol", from 2.12 on).
namespace ember::firmware::x86_64 {

// A bzImage whose setup header has been checked against the file.
struct BzImage {
  SetupHeader header;
  uint64_t file_offset = 0;  // of the 64-bit kernel, after the real-mode code
  uint64_t file_bytes = 0;   // of the 64-bit kernel
};

// Whether the file has the setup header's "HdrS" where a bzImage has it.
bool IsBzImage(const ImageFile& file);

// Reads and checks the setup header. Errors name the field, what it holds and what it should.
Result<BzImage> ReadBzImage(const ImageFile& file);

// Puts the kernel into `room`, which is of one region of RAM below 4 GiB: at the address that it
// prefers, or, where that has no RAM and the kernel can be moved, at the lowest that suits. Returns
// the range it needs until it has found its memory map (init_size).
Result<GuestRange> LoadBzImage(const GuestMemory& memory, const ImageFile& file,
                               const BzImage& image, const GuestRange& room);

// Where a kernel loaded there is entered in 64-bit mode.
inline GuestAddress BzImageEntry(const GuestRange& loaded) { return loaded.start + 0x200; }

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_BZIMAGE_H_
