#ifndef EMBER_VIRTIO_BLOCK_URING_ENGINE_H_
#define EMBER_VIRTIO_BLOCK_URING_ENGINE_H_

#include <memory>

#include "base/result.h"
#include "virtio/block/io_engine.h"
#include "virtio/block/spare_rings.h"

namespace ember::virtio {

// An engine that keeps many calls in flight by the host's io_uring. The disk is a plain file
// (Disk::plain_file()); calls that the ring does not serve, for want of alignment or of a file
// system that can, are done by the disk's own means while the thread waits. The ring can do what a
// disk needs and nothing else, on one registered file. Borrows the disk until it is given another.
// The ring comes from the spare ones and goes back to them, borrowed; null: it is the engine's.
// Errors: a host without io_uring, or one that forbids it, in words for a client; SpareRings::
// Take()'s; a disk that is not a plain file.
Result<std::unique_ptr<IoEngine>> CreateUringEngine(Disk& disk, SpareRings* spare = nullptr);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_URING_ENGINE_H_
