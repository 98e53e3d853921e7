#ifndef EMBER_VIRTIO_RNG_ENTROPY_SOURCE_H_
#define EMBER_VIRTIO_RNG_ENTROPY_SOURCE_H_

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"

namespace ember::virtio {

// Where random bytes come from. The device's thread; never waits.
class EntropySource {
 public:
  virtual ~EntropySource() = default;
  // Fills all of `out`. After an error any of it may have been written.
  virtual Status Fill(std::span<std::byte> out) = 0;
};

// The host kernel's generator (getrandom(2)). It fails only before the host itself has gathered
// its first entropy.
std::unique_ptr<EntropySource> CreateHostEntropySource();

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_RNG_ENTROPY_SOURCE_H_
