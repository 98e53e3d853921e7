#ifndef EMBER_VMM_BLOCK_DRIVE_H_
#define EMBER_VMM_BLOCK_DRIVE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "vmm/thread_choice.h"

// Block devices as clients describe them.
namespace ember::vmm {

enum class CacheType : uint8_t { kUnsafe, kWriteback };
enum class IoEngine : uint8_t { kSync, kAsync };

struct DriveConfig {
  std::string drive_id;
  std::string path_on_host;
  bool is_root_device = false;
  std::optional<std::string> partuuid;  // of the root's partition; only for the root device
  bool is_read_only = false;
  CacheType cache_type = CacheType::kUnsafe;
  IoEngine io_engine = IoEngine::kSync;
  // Ours, beside the contract.
  ThreadChoice thread = ThreadChoice::kVmm;
  std::optional<std::string> overlay_path;  // what is written goes there; path_on_host is only read

  friend bool operator==(const DriveConfig&, const DriveConfig&) = default;
};

// What holds within one drive. The error names the field and both values.
Status Validate(const DriveConfig& drive);
// Puts the drive into the list, or in the place of the one with its id; the root device goes first.
// An error leaves the list as it was.
Status InsertDrive(std::vector<DriveConfig>& drives, DriveConfig drive);

// What a client changes of a drive while the machine runs; what is absent stays as it is.
struct DriveUpdate {
  std::string drive_id;
  std::optional<std::string> path_on_host;

  friend bool operator==(const DriveUpdate&, const DriveUpdate&) = default;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_BLOCK_DRIVE_H_
