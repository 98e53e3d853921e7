#ifndef EMBER_VIRTIO_PMEM_FLUSH_WORKER_H_
#define EMBER_VIRTIO_PMEM_FLUSH_WORKER_H_

#include <memory>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/thread.h"
#include "base/thread_annotations.h"
#include "virtio/pmem/pmem_store.h"

namespace ember::virtio {

// Flushes a store on a thread of its own, so that who asks for it does not wait for the host's
// disk. The methods are for one thread at a time.
class FlushWorker {
 public:
  // Borrows the store for its life.
  static Result<std::unique_ptr<FlushWorker>> Start(PmemStore& store);
  // Waits for a flush under way.
  ~FlushWorker();
  FlushWorker(const FlushWorker&) = delete;
  FlushWorker& operator=(const FlushWorker&) = delete;

  // Readable from the end of a flush until TakeOutcome().
  const Fd& done_fd() const { return done_; }
  // Whether a flush was begun whose outcome is not taken.
  bool busy() const { return busy_; }
  // Flushes what was written until now. Not while busy().
  void Begin();
  // The outcome of the flush that has ended; nothing while none has.
  std::optional<Status> TakeOutcome();
  // The same, when it has ended. Only while busy(); takes as long as the flush.
  Status WaitForOutcome();

 private:
  FlushWorker(PmemStore& store, Fd done) : store_(store), done_(std::move(done)) {}
  void Work();
  // There is one.
  Status TakeOutcomeLocked() REQUIRES(mutex_);

  PmemStore& store_;
  const Fd done_;
  bool busy_ = false;  // the callers'

  Mutex mutex_;
  CondVar changed_;
  bool wanted_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::optional<Status> outcome_ GUARDED_BY(mutex_);

  Thread thread_;  // last: uses the rest
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_PMEM_FLUSH_WORKER_H_
