#ifndef EMBER_VIRTIO_BLOCK_OVERLAY_OPEN_OVERLAY_H_
#define EMBER_VIRTIO_BLOCK_OVERLAY_OPEN_OVERLAY_H_

#include <memory>
#include <string>

#include "base/result.h"
#include "virtio/block/disk.h"
#include "virtio/block/image_file.h"
#include "virtio/block/overlay/format.h"

namespace ember::virtio {

// Opens the overlay at `overlay_path` over the raw image at `base_path`, which is only read. A file
// that is not there, or blank, becomes an overlay. The overlay is locked (flock) for the disk's
// life: a second disk on it is refused, in this process or another. Errors name the path at fault.
// Blocks for the host: some reads of the base, the whole map, up to three syncs.
Result<std::unique_ptr<Disk>> OpenOverlay(const std::string& overlay_path,
                                          const std::string& base_path);

// What an overlay of this base writes down: its size, its time of modification, and a checksum of
// samples spread over its contents.
Result<BaseIdentity> IdentifyBase(HostImageFile& base);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_OVERLAY_OPEN_OVERLAY_H_
