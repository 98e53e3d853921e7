#include "vmm/block/drive_device.h"

#include <utility>

#include "virtio/block/disk_file.h"
#include "virtio/block/overlay/open_overlay.h"

namespace ember::vmm {
namespace {

Result<std::unique_ptr<virtio::Disk>> OpenDisk(const DriveConfig& drive) {
  if (drive.overlay_path) return virtio::OpenOverlay(*drive.overlay_path, drive.path_on_host);
  return virtio::DiskFile::Open(drive.path_on_host,
                                drive.is_read_only ? Access::kReadOnly : Access::kReadWrite);
}

}  // namespace

Result<std::unique_ptr<virtio::BlockDevice>> CreateDrive(const DriveConfig& drive) {
  std::unique_ptr<virtio::Disk> disk = TRY(OpenDisk(drive));
  const auto cache = drive.cache_type == CacheType::kWriteback ? virtio::CacheType::kWriteback
                                                               : virtio::CacheType::kUnsafe;
  return std::make_unique<virtio::BlockDevice>(
      std::move(disk),
      virtio::BlockDevice::Options{.drive_id = drive.drive_id, .cache_type = cache});
}

}  // namespace ember::vmm
