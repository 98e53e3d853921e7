#include "virtio/pmem/flush_worker.h"

#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/check.h"
#include "sandbox/confinement.h"

namespace ember::virtio {

Result<std::unique_ptr<FlushWorker>> FlushWorker::Start(PmemStore& store) {
  Fd done = TRY(CreateEventFd());
  std::unique_ptr<FlushWorker> worker(new FlushWorker(store, std::move(done)));
  worker->thread_ = TRY(Thread::Start("pmem-flush", [&self = *worker] {
    sandbox::Confine(sandbox::ThreadKind::kDevice);
    self.Work();
  }));
  return worker;
}

FlushWorker::~FlushWorker() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyOne();
  }
  thread_.Join();
}

void FlushWorker::Begin() {
  EMBER_CHECK(!busy_);
  busy_ = true;
  const MutexLock lock(mutex_);
  wanted_ = true;
  changed_.NotifyOne();
}

std::optional<Status> FlushWorker::TakeOutcome() {
  const MutexLock lock(mutex_);
  if (!outcome_) return std::nullopt;
  return TakeOutcomeLocked();
}

Status FlushWorker::WaitForOutcome() {
  EMBER_CHECK(busy_);
  const MutexLock lock(mutex_);
  while (!outcome_) changed_.Wait(mutex_);
  return TakeOutcomeLocked();
}

Status FlushWorker::TakeOutcomeLocked() {
  uint64_t count;
  static_cast<void>(::read(done_.get(), &count, sizeof(count)) < 0);
  busy_ = false;
  return *std::exchange(outcome_, std::nullopt);
}

void FlushWorker::Work() {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      while (!wanted_ && !ending_) changed_.Wait(mutex_);
      if (ending_) return;
      wanted_ = false;
    }
    Status outcome = store_.Flush();
    const MutexLock lock(mutex_);
    outcome_ = std::move(outcome);
    changed_.NotifyOne();
    const uint64_t one = 1;
    static_cast<void>(::write(done_.get(), &one, sizeof(one)) < 0);
  }
}

}  // namespace ember::virtio
