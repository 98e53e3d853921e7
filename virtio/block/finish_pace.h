#ifndef EMBER_VIRTIO_BLOCK_FINISH_PACE_H_
#define EMBER_VIRTIO_BLOCK_FINISH_PACE_H_

#include <chrono>
#include <cstddef>

namespace ember::virtio {

// How long finished calls may wait to be taken, so that one wake-up and one interrupt serve
// several. The time is that in which the host, as fast as it was of late, finishes a quarter of
// what it has: it never runs out of calls for it, and what is fast or shallow is not held up at
// all. One thread.
class FinishPace {
 public:
  static constexpr size_t kLeastInFlight = 8;
  static constexpr std::chrono::microseconds kLeastDelay{50};
  static constexpr std::chrono::microseconds kMostDelay{500};

  // `finished` calls were taken at `now`, and `in_flight` are left with the host or were given to
  // it.
  void Note(std::chrono::nanoseconds now, size_t finished, size_t in_flight);
  // Between kLeastDelay and kMostDelay, or 0: they are to be taken as they come.
  std::chrono::nanoseconds delay() const;

 private:
  std::chrono::nanoseconds each_{};   // what a call took of late; 0 as long as that is not known
  std::chrono::nanoseconds since_{};  // when the host was last seen to finish one, or began
  size_t in_flight_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_FINISH_PACE_H_
