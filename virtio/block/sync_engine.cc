#include "virtio/block/sync_engine.h"

namespace ember::virtio {

IoResult CallDisk(Disk& disk, const IoCall& call) {
  switch (call.kind) {
    case IoKind::kRead:
      return TRY(disk.ReadSome(call.offset, call.pieces));
    case IoKind::kWrite:
      return TRY(disk.WriteSome(call.offset, call.pieces));
    case IoKind::kDiscard:
      return disk.DiscardSome(call.offset, call.len_bytes);
    case IoKind::kZero:
      return disk.ZeroSome(call.offset, call.len_bytes, call.zero_mode);
    case IoKind::kFlush:
      break;
  }
  TRY(disk.Flush());
  return uint64_t{0};
}

std::optional<IoResult> SyncEngine::Start(IoTag /*tag*/, const IoCall& call) {
  return CallDisk(*disk_, call);
}

Status SyncEngine::UseDisk(Disk& disk) {
  disk_ = &disk;
  return {};
}

}  // namespace ember::virtio
