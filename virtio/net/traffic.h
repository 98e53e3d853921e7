#ifndef EMBER_VIRTIO_NET_TRAFFIC_H_
#define EMBER_VIRTIO_NET_TRAFFIC_H_

#include <chrono>
#include <cstdint>

#include "base/clock.h"
#include "base/rate_limiter.h"
#include "memory/guest_memory.h"
#include "virtio/driver_events.h"
#include "virtio/features.h"
#include "virtio/net/metrics.h"
#include "virtio/net/net_backend.h"

namespace ember::virtio {

// What the queues of one device work with while it is active: all borrowed. The limiter is that of
// the direction.
struct Traffic {
  NetBackend& backend;
  RateLimiter& limiter;
  NetMetrics& metrics;
  const Clock& clock;
  const GuestMemory& memory;
  DriverEvents& driver;
  Features features;     // as negotiated
  bool backend_answers;  // some frames itself
};

// Why a queue came to rest, and so what it waits for.
enum class Rest : uint8_t {
  kNoBuffers,    // a notification of the driver's
  kBackend,      // the back end's descriptor, to be readable or writable
  kThrottled,    // the limiter's time
  kHostFailure,  // some time
  kBudget,       // nothing: its turn is over
  kBreach,       // the driver's reset; NeedsReset() was said
};

// A turn ends when the frames it moved cost this much: their bytes and kFrameCostBytes each.
inline constexpr int64_t kTurnBudgetBytes = int64_t{4} << 20;
inline constexpr int64_t kFrameCostBytes = int64_t{8} << 10;

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_TRAFFIC_H_
