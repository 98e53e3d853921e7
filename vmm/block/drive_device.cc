#include "vmm/block/drive_device.h"

#include <utility>

#include "virtio/block/disk_file.h"
#include "virtio/block/overlay/open_overlay.h"
#include "virtio/block/uring_engine.h"

namespace ember::vmm {
namespace {

virtio::CacheType ToDevice(CacheType type) {
  return type == CacheType::kWriteback ? virtio::CacheType::kWriteback : virtio::CacheType::kUnsafe;
}

}  // namespace

static_assert(kMaxDriveQueues <= virtio::BlockDevice::kMaxQueues);

Result<std::unique_ptr<virtio::Disk>> OpenDisk(const DriveConfig& drive, const std::string& path) {
  if (drive.overlay_path) return virtio::OpenOverlay(*drive.overlay_path, path);
  const Access access = drive.is_read_only ? Access::kReadOnly : Access::kReadWrite;
  const auto cache = drive.direct ? virtio::HostCache::kBypassed : virtio::HostCache::kUsed;
  return std::unique_ptr<virtio::Disk>(TRY(virtio::DiskFile::Open(path, access, cache)));
}

Result<std::unique_ptr<virtio::BlockDevice>> CreateDrive(
    const DriveConfig& drive, std::optional<uint64_t> known_capacity_sectors,
    virtio::SpareRings* rings) {
  std::unique_ptr<virtio::Disk> disk = TRY(OpenDisk(drive, drive.path_on_host));
  std::unique_ptr<virtio::IoEngine> engine;
  if (drive.io_engine == IoEngine::kAsync) {
    engine = TRY(virtio::CreateUringEngine(*disk, rings));
  }
  const auto discard =
      drive.discard ? virtio::DiscardSupport::kOffered : virtio::DiscardSupport::kNone;
  return virtio::BlockDevice::Create(std::move(disk), std::move(engine),
                                     {.drive_id = drive.drive_id,
                                      .cache_type = ToDevice(drive.cache_type),
                                      .discard = discard,
                                      .queue_count = drive.queues,
                                      .rate_limiter = ToOptions(drive.rate_limiter),
                                      .known_capacity_sectors = known_capacity_sectors});
}

Result<std::unique_ptr<virtio::vhost_user::BlockDevice>> CreateSocketDrive(
    const DriveConfig& drive) {
  return virtio::vhost_user::BlockDevice::Create({.drive_id = drive.drive_id,
                                                  .socket_path = *drive.socket,
                                                  .cache_type = ToDevice(drive.cache_type),
                                                  .queue_count = drive.queues});
}

}  // namespace ember::vmm
