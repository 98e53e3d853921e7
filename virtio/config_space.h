#ifndef EMBER_VIRTIO_CONFIG_SPACE_H_
#define EMBER_VIRTIO_CONFIG_SPACE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ember::virtio {

// Copies what lies of [offset, offset + out.size()) in a device's configuration space, for
// VirtioDevice::ReadConfig(). What lies past its end is left as it is in `out`.
inline void ReadConfigSpace(std::span<const std::byte> space, uint64_t offset,
                            std::span<std::byte> out) {
  if (offset >= space.size()) return;
  const std::span<const std::byte> rest = space.subspan(offset);
  std::ranges::copy(rest.first(std::min(rest.size(), out.size())), out.begin());
}

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONFIG_SPACE_H_
