#ifndef EMBER_VIRTIO_BALLOON_STATISTICS_H_
#define EMBER_VIRTIO_BALLOON_STATISTICS_H_

#include <linux/virtio_balloon.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "virtio/balloon/balloon_state.h"

namespace ember::virtio {

// The tags of statistics (virtio 1.2, 5.5.6.3); those from 10 on are Linux's since 6.12, which this
// host's <linux/virtio_balloon.h> may lack.
enum class BalloonStatistic : uint16_t {
  kSwapIn = VIRTIO_BALLOON_S_SWAP_IN,
  kSwapOut = VIRTIO_BALLOON_S_SWAP_OUT,
  kMajorFaults = VIRTIO_BALLOON_S_MAJFLT,
  kMinorFaults = VIRTIO_BALLOON_S_MINFLT,
  kFreeMemory = VIRTIO_BALLOON_S_MEMFREE,
  kTotalMemory = VIRTIO_BALLOON_S_MEMTOT,
  kAvailableMemory = VIRTIO_BALLOON_S_AVAIL,
  kDiskCaches = VIRTIO_BALLOON_S_CACHES,
  kHugetlbAllocations = VIRTIO_BALLOON_S_HTLB_PGALLOC,
  kHugetlbFailures = VIRTIO_BALLOON_S_HTLB_PGFAIL,
  kOomKill = 10,
  kAllocStall = 11,
  kAsyncScan = 12,
  kDirectScan = 13,
  kAsyncReclaim = 14,
  kDirectReclaim = 15,
};

inline constexpr size_t kBalloonStatisticCount = 16;

// What the driver last said of each, in its own units; it may say anything. A plain value.
class BalloonStatistics {
 public:
  // An entry: le16 tag, le64 value, without padding (5.5.6.3).
  static constexpr size_t kEntryBytes = 10;

  // What the driver said of `tag`, if ever.
  std::optional<uint64_t> value(BalloonStatistic tag) const {
    return values_[static_cast<size_t>(tag)];
  }

  // Takes the entries, one after the other; unknown tags are passed over, as are bytes after the
  // last whole entry. What is not among them keeps its old value.
  void Update(std::span<const std::byte> entries);

  // For a snapshot, and back. An error names a tag that there is not.
  std::vector<StatisticState> Save() const;
  Status Restore(const std::vector<StatisticState>& statistics);

 private:
  std::array<std::optional<uint64_t>, kBalloonStatisticCount> values_;
};

static_assert(sizeof(virtio_balloon_stat) == BalloonStatistics::kEntryBytes);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BALLOON_STATISTICS_H_
