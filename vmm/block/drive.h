#ifndef EMBER_VMM_BLOCK_DRIVE_H_
#define EMBER_VMM_BLOCK_DRIVE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "vmm/rate_limiter/rate_limiter_config.h"
#include "vmm/thread_choice.h"

// Block devices as clients describe them.
namespace ember::vmm {

enum class CacheType : uint8_t { kUnsafe, kWriteback };
enum class IoEngine : uint8_t { kSync, kAsync };

inline constexpr uint16_t kMaxDriveQueues = 16;

struct DriveConfig {
  std::string drive_id;
  std::string path_on_host;           // empty where there is a socket
  std::optional<std::string> socket;  // of a vhost-user back end, which has the image
  bool is_root_device = false;
  std::optional<std::string> partuuid;  // of the root's partition; only for the root device
  bool is_read_only = false;
  CacheType cache_type = CacheType::kUnsafe;
  IoEngine io_engine = IoEngine::kSync;
  RateLimiterConfig rate_limiter;
  bool discard = false;  // the guest may discard and write zeroes
  // Ours, beside the contract.
  ThreadChoice thread = ThreadChoice::kVmm;
  std::optional<std::string> overlay_path;  // what is written goes there; path_on_host is only read
  uint16_t queues = 1;                      // 1 to kMaxDriveQueues
  bool direct = false;                      // past the host's page cache

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
  std::optional<std::string> path_on_host;  // the one it has: look again how large the file is
  RateLimiterConfig rate_limiter;

  friend bool operator==(const DriveUpdate&, const DriveUpdate&) = default;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_BLOCK_DRIVE_H_
