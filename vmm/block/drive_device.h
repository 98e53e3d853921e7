#ifndef EMBER_VMM_BLOCK_DRIVE_DEVICE_H_
#define EMBER_VMM_BLOCK_DRIVE_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "virtio/block/block_device.h"
#include "virtio/block/disk.h"
#include "virtio/block/spare_rings.h"
#include "virtio/vhost_user/block_device.h"
#include "vmm/block/drive.h"

namespace ember::vmm {

// The disk of a drive, at `path`: its own, or one to take its place.
Result<std::unique_ptr<virtio::Disk>> OpenDisk(const DriveConfig& drive, const std::string& path);

// The device of a drive, its files open; of a snapshot where its driver knows a capacity. `rings`
// as CreateUringEngine() has them.
Result<std::unique_ptr<virtio::BlockDevice>> CreateDrive(
    const DriveConfig& drive, std::optional<uint64_t> known_capacity_sectors,
    virtio::SpareRings* rings);

// The same for a drive with a socket, its back end connected.
Result<std::unique_ptr<virtio::vhost_user::BlockDevice>> CreateSocketDrive(
    const DriveConfig& drive);

}  // namespace ember::vmm

#endif  // EMBER_VMM_BLOCK_DRIVE_DEVICE_H_
