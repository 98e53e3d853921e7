#include "virtio/block/spare_rings.h"

#include <utility>

namespace ember::virtio {

Result<std::unique_ptr<Ring>> SpareRings::Take(unsigned entries, int fd) {
  if (rings_.empty() && may_make_) return Ring::Create(entries, fd);
  if (rings_.empty()) {
    return Error(
        "io_engine Async: the process is confined and makes no more rings than the first machine's "
        "drives had");
  }
  TRY(rings_.back()->UseFile(fd));
  std::unique_ptr<Ring> ring = std::move(rings_.back());
  rings_.pop_back();
  return ring;
}

void SpareRings::Give(std::unique_ptr<Ring> ring) { rings_.push_back(std::move(ring)); }

}  // namespace ember::virtio
