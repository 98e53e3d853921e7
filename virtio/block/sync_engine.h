#ifndef EMBER_VIRTIO_BLOCK_SYNC_ENGINE_H_
#define EMBER_VIRTIO_BLOCK_SYNC_ENGINE_H_

#include "virtio/block/io_engine.h"

namespace ember::virtio {

// Does each call when it is asked, by the disk's own means; its thread waits for the host.
class SyncEngine final : public IoEngine {
 public:
  // Borrows the disk until it is given another.
  explicit SyncEngine(Disk& disk) : disk_(&disk) {}

  std::optional<IoResult> Start(IoTag tag, const IoCall& call) override;
  Status UseDisk(Disk& disk) override;

 private:
  Disk* disk_;
};

// What Start() does, for other engines' calls that no better means serve.
IoResult CallDisk(Disk& disk, const IoCall& call);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_SYNC_ENGINE_H_
