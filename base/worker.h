#ifndef EMBER_BASE_WORKER_H_
#define EMBER_BASE_WORKER_H_

#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/thread.h"
#include "base/thread_annotations.h"

namespace ember {

// A thread that does one thing after the other for other threads, most of which wait until it is
// done: what their own system call filters do not let pass. Any thread may ask.
//
//   auto worker = TRY(Worker::Start("worker", [] { Confine(); }));
//   worker->Run([&] { disk = OpenDisk(path); });
class Worker {
 public:
  // `prepare` runs first, on the new thread.
  static Result<std::unique_ptr<Worker>> Start(std::string_view name,
                                               std::function<void()> prepare);
  // While nobody waits for it. What was posted is done before.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Returns when the worker has run `task`, after those of others who asked before. On the worker
  // itself, runs it at once. `task` must not wait for a thread that may be waiting in Run().
  void Run(const std::function<void()>& task) EXCLUDES(mutex_);
  // The same without waiting. Who posts sees to it that what is not done yet stays bounded.
  void Post(std::function<void()> task) EXCLUDES(mutex_);

 private:
  // On the stack of who waits for it; one that was posted, the worker's to delete.
  struct Errand {
    std::function<void()> task;
    bool posted = false;
    Errand* next = nullptr;
    bool done = false;
  };

  Worker() = default;
  void AppendLocked(Errand& errand) REQUIRES(mutex_);
  void Work() EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar asked_;     // first_ or ending_
  CondVar finished_;  // an errand is done
  Errand* first_ GUARDED_BY(mutex_) = nullptr;
  Errand* last_ GUARDED_BY(mutex_) = nullptr;
  bool ending_ GUARDED_BY(mutex_) = false;

  Thread thread_;  // last, so that it ends before what it uses
};

// On `worker`, or at once where there is none.
inline void RunOn(Worker* worker, const std::function<void()>& task) {
  worker != nullptr ? worker->Run(task) : task();
}

}  // namespace ember

#endif  // EMBER_BASE_WORKER_H_
