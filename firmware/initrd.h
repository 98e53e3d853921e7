#ifndef EMBER_FIRMWARE_INITRD_H_
#define EMBER_FIRMWARE_INITRD_H_

#include <string_view>

#include "base/result.h"
#include "firmware/image_file.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware {

// Where the place for an initrd ends, and what ends it there, for errors.
struct InitrdLimit {
  GuestAddress end{};
  std::string_view name;
};

// Puts the initial RAM disk at the highest page between `kernel_end` and the limit, in one region
// of RAM, from which it fits, and returns where. Its contents are the guest's business. An empty
// file and one larger than the room are errors.
Result<GuestRange> LoadInitrd(const GuestMemory& memory, const ImageFile& file,
                              GuestAddress kernel_end, const InitrdLimit& limit);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_INITRD_H_
