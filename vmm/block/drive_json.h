#ifndef EMBER_VMM_BLOCK_DRIVE_JSON_H_
#define EMBER_VMM_BLOCK_DRIVE_JSON_H_

#include "base/result.h"
#include "vmm/block/drive.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"

// Drives as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<DriveConfig> ReadDrive(const JsonValue& json);
Result<DriveUpdate> ReadDriveUpdate(const JsonValue& json);
// The members of a drive's object.
void WriteFields(JsonWriter& out, const DriveConfig& drive);

}  // namespace ember::vmm

#endif  // EMBER_VMM_BLOCK_DRIVE_JSON_H_
