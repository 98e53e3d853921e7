#include "base/worker.h"

#include <utility>

namespace ember {
namespace {

// Whose thread this is, if it is one's.
thread_local const Worker* current = nullptr;

}  // namespace

Result<std::unique_ptr<Worker>> Worker::Start(std::string_view name,
                                              std::function<void()> prepare) {
  std::unique_ptr<Worker> worker(new Worker);
  worker->thread_ = TRY(Thread::Start(name, [&self = *worker, prepare = std::move(prepare)] {
    current = &self;
    prepare();
    self.Work();
  }));
  return worker;
}

Worker::~Worker() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    asked_.NotifyOne();
  }
  thread_.Join();
}

void Worker::Run(const std::function<void()>& task) {
  if (current == this) return task();
  Errand errand{.task = [&task] { task(); }};
  const MutexLock lock(mutex_);
  AppendLocked(errand);
  while (!errand.done) finished_.Wait(mutex_);
}

void Worker::Post(std::function<void()> task) {
  auto errand = std::make_unique<Errand>(Errand{.task = std::move(task), .posted = true});
  const MutexLock lock(mutex_);
  AppendLocked(*errand.release());
}

void Worker::AppendLocked(Errand& errand) {
  (first_ == nullptr ? first_ : last_->next) = &errand;
  last_ = &errand;
  asked_.NotifyOne();
}

void Worker::Work() {
  mutex_.Lock();
  for (;;) {
    while (first_ == nullptr && !ending_) asked_.Wait(mutex_);
    if (first_ == nullptr) break;
    Errand& errand = *first_;
    first_ = errand.next;
    mutex_.Unlock();
    errand.task();
    const bool posted = errand.posted;
    // What a task holds may take its time to go.
    if (posted) std::unique_ptr<Errand>(&errand).reset();
    mutex_.Lock();
    if (posted) continue;
    errand.done = true;
    finished_.NotifyAll();
  }
  mutex_.Unlock();
}

}  // namespace ember
