#ifndef EMBER_VIRTIO_BLOCK_SPARE_RINGS_H_
#define EMBER_VIRTIO_BLOCK_SPARE_RINGS_H_

#include <memory>
#include <vector>

#include "base/result.h"
#include "virtio/block/ring.h"

namespace ember::virtio {

// The rings of engines that are no more, for those that come. A process whose threads are confined
// must make no ring, since no filter sees what is done in one that nobody has restricted: a machine
// that is reset then has the rings of the one before it. Outlives the engines that use it; one
// thread at a time.
class SpareRings {
 public:
  SpareRings() = default;
  SpareRings(const SpareRings&) = delete;
  SpareRings& operator=(const SpareRings&) = delete;

  // A ring with `fd` as its file 0: one that was given, where there is one, or a new one of
  // `entries`, which are always as many. Errors: Ring::Create()'s; none is there and none may be
  // made; the host does not take the file.
  Result<std::unique_ptr<Ring>> Take(unsigned entries, int fd);
  // One in which nothing is under way. It holds on to its file until it is taken.
  void Give(std::unique_ptr<Ring> ring);
  // From now on there are none but those that were made.
  void MakeNoMore() { may_make_ = false; }

 private:
  std::vector<std::unique_ptr<Ring>> rings_;
  bool may_make_ = true;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_SPARE_RINGS_H_
