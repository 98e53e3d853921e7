#ifndef EMBER_VMM_BLOCK_DRIVE_DEVICE_H_
#define EMBER_VMM_BLOCK_DRIVE_DEVICE_H_

#include <memory>

#include "base/result.h"
#include "virtio/block/block_device.h"
#include "vmm/block/drive.h"

namespace ember::vmm {

// The device of a drive, its files open.
Result<std::unique_ptr<virtio::BlockDevice>> CreateDrive(const DriveConfig& drive);

}  // namespace ember::vmm

#endif  // EMBER_VMM_BLOCK_DRIVE_DEVICE_H_
