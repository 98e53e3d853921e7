#ifndef EMBER_VIRTIO_BLOCK_RING_H_
#define EMBER_VIRTIO_BLOCK_RING_H_

#include <liburing.h>

#include <memory>

#include "base/result.h"

namespace ember::virtio {

// An io_uring that can do what a disk needs and nothing else, on one registered file, whatever is
// written to it. Not movable: liburing's functions take its address.
class Ring {
 public:
  // `entries` is the submission ring's, a power of 2; the completion ring has twice as many. `fd`
  // is registered as file 0. Errors: a host without io_uring, or one that forbids it, in words for
  // a client.
  static Result<std::unique_ptr<Ring>> Create(unsigned entries, int fd);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Registers `fd` as file 0 in place of the one before. No request may be under way.
  Status UseFile(int fd);

  io_uring& get() { return ring_; }

 private:
  Ring() = default;
  Status Restrict();

  io_uring ring_{};
  bool valid_ = false;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_RING_H_
