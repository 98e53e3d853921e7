#ifndef EMBER_FIRMWARE_ELF_IMAGE_H_
#define EMBER_FIRMWARE_ELF_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "firmware/image_file.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware {

// What an ELF64 kernel asks of its loader, its headers checked against the file: every piece of
// the file is within it, no address range wraps, and no two segments overlap.
struct ElfImage {
  // A PT_LOAD: file bytes at the start of `target`, zeros after them.
  struct Segment {
    GuestRange target;  // by p_paddr; not empty
    uint64_t file_offset = 0;
    uint64_t file_bytes = 0;
  };
  // A PT_NOTE in the file.
  struct Notes {
    uint64_t file_offset = 0;
    uint64_t size_bytes = 0;
    uint64_t alignment = 4;  // of the names and descriptions: 4 or 8
  };

  GuestAddress entry{};
  std::vector<Segment> segments;  // sorted by address; not empty
  std::vector<Notes> notes;

  // From the first segment's start to the last one's end.
  GuestRange Extent() const;
  // Whether a segment's bytes from the file hold `at`, as an entry point must be.
  bool HoldsCode(GuestAddress at) const;
};

// Whether the file begins with ELF's magic number.
bool IsElf(const ImageFile& file);

// Reads and checks the headers of a little-endian ELF64 executable for `machine` (EM_…). Errors
// name the header field, what it holds and what it should.
Result<ElfImage> ReadElf(const ImageFile& file, uint16_t machine);

// The description of the first note of that owner and type, if there is one. Malformed notes before
// it are errors.
Result<std::optional<std::vector<std::byte>>> FindElfNote(const ImageFile& file,
                                                          const ElfImage& image,
                                                          std::string_view owner, uint32_t type);

// Puts the segments into RAM within `room`. What the file does not fill is left as it is: fresh
// guest memory is zero.
Status LoadElf(const GuestMemory& memory, const ImageFile& file, const ElfImage& image,
               const GuestRange& room);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_ELF_IMAGE_H_
