#ifndef EMBER_FIRMWARE_INITRD_H_
#define EMBER_FIRMWARE_INITRD_H_

#include "base/result.h"
#include "firmware/image_file.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware {

// Puts the initial RAM disk at the highest page of `room`, a part of one region of RAM, from which
// it fits, and returns where. Its contents are the guest's business. An empty file and one larger
// than the room are errors.
Result<GuestRange> LoadInitrd(const GuestMemory& memory, const ImageFile& file,
                              const GuestRange& room);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_INITRD_H_
