#include "virtio/descriptor_chain.h"

#include <algorithm>

namespace ember::virtio {

void DescriptorChain::MarkWritten(const GuestMemory& memory, uint64_t offset, uint64_t len) const {
  for (size_t i = 0; i < storage_->range_count_ && len > 0; ++i) {
    const GuestRange& range = storage_->written_ranges_[i];
    if (offset >= range.size_bytes) {
      offset -= range.size_bytes;
      continue;
    }
    const uint64_t piece = std::min(len, range.size_bytes - offset);
    memory.MarkDirty(range.start + offset, piece);
    len -= piece;
    offset = 0;
  }
}

}  // namespace ember::virtio
