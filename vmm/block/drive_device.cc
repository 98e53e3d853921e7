#include "vmm/block/drive_device.h"

#include <utility>

#include "virtio/block/disk_file.h"

namespace ember::vmm {

Result<std::unique_ptr<virtio::BlockDevice>> CreateDrive(const DriveConfig& drive) {
  auto disk = TRY(virtio::DiskFile::Open(
      drive.path_on_host, drive.is_read_only ? Access::kReadOnly : Access::kReadWrite));
  const auto cache = drive.cache_type == CacheType::kWriteback ? virtio::CacheType::kWriteback
                                                               : virtio::CacheType::kUnsafe;
  return std::make_unique<virtio::BlockDevice>(
      std::move(disk),
      virtio::BlockDevice::Options{.drive_id = drive.drive_id, .cache_type = cache});
}

}  // namespace ember::vmm
