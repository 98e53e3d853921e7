#ifndef EMBER_BASE_THREAD_ANNOTATIONS_H_
#define EMBER_BASE_THREAD_ANNOTATIONS_H_

#include <condition_variable>
#include <mutex>

// Which mutex guards what, checked by clang's -Wthread-safety; nothing to other compilers.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#if defined(__clang__)
#define EMBER_THREAD_ANNOTATION(attribute) __attribute__((attribute))
#else
#define EMBER_THREAD_ANNOTATION(attribute)
#endif

#define CAPABILITY(name) EMBER_THREAD_ANNOTATION(capability(name))
#define SCOPED_CAPABILITY EMBER_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(mutex) EMBER_THREAD_ANNOTATION(guarded_by(mutex))
#define PT_GUARDED_BY(mutex) EMBER_THREAD_ANNOTATION(pt_guarded_by(mutex))
#define REQUIRES(...) EMBER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) EMBER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) EMBER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) EMBER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) EMBER_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define ACQUIRED_BEFORE(...) EMBER_THREAD_ANNOTATION(acquired_before(__VA_ARGS__))
#define ACQUIRED_AFTER(...) EMBER_THREAD_ANNOTATION(acquired_after(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS EMBER_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace ember {

// std::mutex with the annotations that std::mutex lacks. Not recursive.
class CAPABILITY("mutex") Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }
  bool TryLock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a mutex for the length of a scope.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable for Mutex. Wait() may return early: call it in a loop over the condition.
class CondVar {
 public:
  // Gives the mutex up while it waits and holds it again on return.
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace ember

#endif  // EMBER_BASE_THREAD_ANNOTATIONS_H_
