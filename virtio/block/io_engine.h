#ifndef EMBER_VIRTIO_BLOCK_IO_ENGINE_H_
#define EMBER_VIRTIO_BLOCK_IO_ENGINE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "virtio/block/disk.h"
#include "virtio/host_wait.h"

namespace ember::virtio {

enum class IoKind : uint8_t { kRead, kWrite, kFlush, kDiscard, kZero };

// Names a call of its owner's; below IoEngine::depth() where that is not 0.
enum class IoTag : uint32_t {};
constexpr uint32_t ToInteger(IoTag tag) { return static_cast<uint32_t>(tag); }

// One thing asked of a disk. The pieces, and the bytes they are, stay where they are until the call
// is finished.
struct IoCall {
  IoKind kind = IoKind::kFlush;
  ZeroMode zero_mode = ZeroMode::kKeepAllocated;
  uint64_t offset = 0;            // all but flushes: inside the disk, with the length
  uint64_t len_bytes = 0;         // of reads and writes: the sum of the pieces
  std::span<const iovec> pieces;  // reads and writes
};

// How much of the call was done, perhaps less than all; 0 for a flush. With an error of EINTR or
// EAGAIN nothing was done, and it may be asked again.
using IoResult = Result<uint64_t>;

struct IoCompletion {
  IoTag tag{};
  IoResult result;
};

// Carries out the calls of one block device, at once or several at a time; what runs at the same
// time is in no order. The device's mutex is held over every method, so they come from different
// threads but never two together.
class IoEngine {
 public:
  virtual ~IoEngine() = default;

  // The most calls in flight; 0 where every call is finished when Start() returns.
  virtual size_t depth() const { return 0; }
  // Readable while there may be something for TakeFinished(); the same for the engine's life. -1:
  // there never is.
  virtual int finished_fd() const { return -1; }

  // Whether the host tells of each finished call by itself, so that it pays to let some gather
  // before they are taken. Asked anew whenever calls were started.
  virtual bool gathers() const { return false; }

  // How a thread may wait for what TakeFinished() gives, other than by finished_fd(). Null: it may
  // not. Borrowed, the engine's.
  virtual HostWait* host_wait() { return nullptr; }

  // Begins a call under a tag that is not in use. The result where it is finished on return, and
  // nothing where TakeFinished() will give it.
  virtual std::optional<IoResult> Start(IoTag tag, const IoCall& call) = 0;
  // Lets the host see what was started. False where it did not take all of it for now: call again.
  virtual bool Submit() { return true; }
  // The next call that is finished. Never waits.
  virtual std::optional<IoCompletion> TakeFinished() { return std::nullopt; }
  // Returns when no call is with the host any more; TakeFinished() gives their results.
  virtual void WaitForAll() {}
  // Cancels what can be, waits for the rest and forgets all results: on return the host touches no
  // byte of any call's.
  virtual void Stop() {}

  // Works on another disk from now on. No call may be in flight. After an error, on the old one.
  virtual Status UseDisk(Disk& disk) = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_IO_ENGINE_H_
