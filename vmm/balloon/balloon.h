#ifndef EMBER_VMM_BALLOON_BALLOON_H_
#define EMBER_VMM_BALLOON_BALLOON_H_

#include <cstdint>

#include "base/result.h"
#include "vmm/thread_choice.h"

// The balloon as clients describe it.
namespace ember::vmm {

struct BalloonConfig {
  uint32_t amount_mib = 0;
  bool deflate_on_oom = false;
  uint16_t stats_polling_interval_s = 0;  // 0: no statistics
  bool free_page_hinting = false;
  bool free_page_reporting = false;
  ThreadChoice thread = ThreadChoice::kVmm;  // ours

  friend bool operator==(const BalloonConfig&, const BalloonConfig&) = default;
};

// Whether a guest of `mem_size_mib` can give up `amount_mib`. The error names both.
Status CheckBalloonFits(uint32_t amount_mib, uint64_t mem_size_mib);

// What a client changes and commands while the machine runs.
struct BalloonUpdate {
  uint32_t amount_mib = 0;

  friend bool operator==(const BalloonUpdate&, const BalloonUpdate&) = default;
};
struct BalloonStatisticsUpdate {
  uint16_t stats_polling_interval_s = 0;

  friend bool operator==(const BalloonStatisticsUpdate&, const BalloonStatisticsUpdate&) = default;
};
struct BalloonHintingStart {
  bool acknowledge_on_stop = true;

  friend bool operator==(const BalloonHintingStart&, const BalloonHintingStart&) = default;
};

// For a machine that has none. The text is the contract's.
inline Error NoBalloon() { return Error("No balloon device found."); }

}  // namespace ember::vmm

#endif  // EMBER_VMM_BALLOON_BALLOON_H_
