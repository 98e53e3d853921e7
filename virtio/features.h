#ifndef EMBER_VIRTIO_FEATURES_H_
#define EMBER_VIRTIO_FEATURES_H_

#include <linux/virtio_config.h>

#include <cstdint>
#include <initializer_list>

namespace ember::virtio {

// A set of the feature bits 0 to 63 (virtio 1.2, 2.2 and 6), named by the VIRTIO_…_F_… constants of
// the kernel's headers. A plain value.
//
//   constexpr Features offered{VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_SEG_MAX};
//   if (offered.Has(VIRTIO_BLK_F_FLUSH)) …
class Features {
 public:
  constexpr Features() = default;
  constexpr Features(std::initializer_list<unsigned> bits) {
    for (const unsigned bit : bits) bits_ |= uint64_t{1} << bit;
  }
  static constexpr Features FromBits(uint64_t bits) {
    Features features;
    features.bits_ = bits;
    return features;
  }

  constexpr uint64_t bits() const { return bits_; }
  constexpr bool Has(unsigned bit) const { return ((bits_ >> bit) & 1) != 0; }
  constexpr bool IsSubsetOf(Features other) const { return (bits_ & ~other.bits_) == 0; }

  friend constexpr Features operator|(Features a, Features b) {
    return FromBits(a.bits_ | b.bits_);
  }
  friend constexpr bool operator==(Features, Features) = default;

 private:
  uint64_t bits_ = 0;
};

// The queue's features (virtio 1.2, 6), named here because <linux/virtio_ring.h> is not C++.
inline constexpr unsigned kIndirectDescriptorsFeature = 28;
inline constexpr unsigned kEventIndexFeature = 29;

// What the queue engine and the transports do for every device.
inline constexpr Features kCommonFeatures{VIRTIO_F_VERSION_1, kIndirectDescriptorsFeature,
                                          kEventIndexFeature};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_FEATURES_H_
