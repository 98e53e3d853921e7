#include "virtio/console/output_log.h"

#include <algorithm>
#include <cstring>

namespace ember::virtio {

void OutputLog::Append(std::span<const std::byte> bytes) {
  end_ += bytes.size();
  if (bytes.size() > ring_.size()) bytes = bytes.last(ring_.size());
  size_t at = (end_ - bytes.size()) % ring_.size();
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), ring_.size() - at);
    std::memcpy(ring_.data() + at, bytes.data(), count);
    bytes = bytes.subspan(count);
    at = 0;
  }
}

std::array<iovec, 2> OutputLog::From(uint64_t position) const {
  const size_t at = position % ring_.size();
  const size_t length = end_ - position;
  const size_t first = std::min(length, ring_.size() - at);
  // The system's structure has no const; who sends from it only reads.
  auto* const base = const_cast<std::byte*>(ring_.data());
  return {iovec{.iov_base = base + at, .iov_len = first},
          iovec{.iov_base = base, .iov_len = length - first}};
}

}  // namespace ember::virtio
