#include <utility>

#include "api/endpoints/endpoints.h"
#include "vmm/config_json.h"

namespace ember::api {

Result<Outcome> PutDrive(const Call& call) {
  vmm::DriveConfig drive = TRY(ReadBody(call.body, vmm::ReadDrive));
  TRY(CheckIds(call.id, drive.drive_id, "drive_id"));
  return ActionCall{vmm::PutDrive{std::move(drive)}};
}

Result<Outcome> PatchDrive(const Call& call) {
  vmm::DriveUpdate update = TRY(ReadBody(call.body, vmm::ReadDriveUpdate));
  TRY(CheckIds(call.id, update.drive_id, "drive_id"));
  return ActionCall{vmm::DeviceAction{vmm::PatchDrive{std::move(update)}}};
}

}  // namespace ember::api
