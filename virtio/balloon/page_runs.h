#ifndef EMBER_VIRTIO_BALLOON_PAGE_RUNS_H_
#define EMBER_VIRTIO_BALLOON_PAGE_RUNS_H_

#include <linux/virtio_balloon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "memory/guest_address.h"

namespace ember::virtio {

// A balloon's page, whatever the host's (virtio 1.2, 5.5.6).
inline constexpr uint64_t kBalloonPageBytes = uint64_t{1} << VIRTIO_BALLOON_PFN_SHIFT;

// The page frame numbers of a request as the fewest ranges that hold the same pages, ascending, so
// that adjacent pages cost one call of the host's. Any numbers, in any order, as often as the
// driver likes.
class PageRuns {
 public:
  // Sorts `frames`, and borrows them for its life.
  explicit PageRuns(std::span<uint32_t> frames) : frames_(frames) { std::ranges::sort(frames_); }

  // The next range; nothing after the last.
  std::optional<GuestRange> Next() {
    if (frames_.empty()) return std::nullopt;
    const uint64_t first = frames_.front();
    uint64_t end = first + 1;
    size_t taken = 1;
    while (taken < frames_.size() && frames_[taken] <= end) {
      end = uint64_t{frames_[taken]} + 1;
      ++taken;
    }
    frames_ = frames_.subspan(taken);
    return GuestRange{.start = GuestAddress{first * kBalloonPageBytes},
                      .size_bytes = (end - first) * kBalloonPageBytes};
  }

 private:
  std::span<uint32_t> frames_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BALLOON_PAGE_RUNS_H_
