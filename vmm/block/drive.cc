#include "vmm/block/drive.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "vmm/resource_id.h"

namespace ember::vmm {
namespace {

// The image is the back end's: nothing can be said of it but where the back end is.
Status ValidateSocket(const DriveConfig& drive) {
  if (drive.socket->empty()) return Error("socket is empty");
  if (!drive.path_on_host.empty() || drive.is_read_only || drive.io_engine != IoEngine::kSync ||
      !drive.rate_limiter.empty()) {
    return Error(
        "socket is given: path_on_host, is_read_only, rate_limiter and io_engine are the back "
        "end's");
  }
  if (drive.overlay_path || drive.direct) {
    return Error("socket is given: overlay_path and direct are for images that are opened here");
  }
  return {};
}

}  // namespace

Status Validate(const DriveConfig& drive) {
  TRY_CONTEXT(ValidateResourceId(drive.drive_id), "drive_id");
  if (drive.socket) TRY(ValidateSocket(drive));
  if (drive.path_on_host.empty() && !drive.socket) return Error("path_on_host is empty");
  // It becomes part of one word of the kernel's command line.
  const auto is_word = [](char c) { return c > ' ' && c <= '~'; };
  if (drive.partuuid &&
      (drive.partuuid->empty() || !std::ranges::all_of(*drive.partuuid, is_word))) {
    return Error(Concat("partuuid \"", *drive.partuuid, "\" is not one word of printable ASCII"));
  }
  if (drive.overlay_path && drive.overlay_path->empty()) return Error("overlay_path is empty");
  if (drive.overlay_path && drive.is_read_only) {
    return Error("overlay_path is for drives that are written to, but is_read_only is true");
  }
  if (drive.overlay_path && drive.io_engine == IoEngine::kAsync) {
    return Error("io_engine Async is not for drives with an overlay_path; Sync is");
  }
  if (drive.overlay_path && drive.direct) {
    return Error("direct is not for drives with an overlay_path");
  }
  if (drive.queues < 1 || drive.queues > kMaxDriveQueues) {
    return Error(Concat("queues ", drive.queues, " is not between 1 and ", kMaxDriveQueues));
  }
  return {};
}

Status InsertDrive(std::vector<DriveConfig>& drives, DriveConfig drive) {
  const auto has_its_id = [&](const DriveConfig& other) {
    return other.drive_id == drive.drive_id;
  };
  const auto root = std::ranges::find_if(drives, &DriveConfig::is_root_device);
  if (drive.is_root_device && root != drives.end() && !has_its_id(*root)) {
    return Error(Concat("is_root_device: drive ", drive.drive_id,
                        " cannot be the root device: ", root->drive_id, " is"));
  }
  const auto same = std::ranges::find_if(drives, has_its_id);
  if (same != drives.end()) {
    *same = std::move(drive);
  } else {
    drives.push_back(std::move(drive));
  }
  std::stable_partition(drives.begin(), drives.end(),
                        [](const DriveConfig& each) { return each.is_root_device; });
  return {};
}

}  // namespace ember::vmm
