#include <utility>

#include "api/endpoints/endpoints.h"
#include "vmm/config_json.h"

namespace ember::api {

Result<Outcome> PutDrive(const Call& call) {
  vmm::DriveConfig drive = TRY(ReadBody(call.body, vmm::ReadDrive));
  TRY(CheckIds(call.id, drive.drive_id, "drive_id"));
  return ActionCall{vmm::PutDrive{std::move(drive)}};
}

}  // namespace ember::api
