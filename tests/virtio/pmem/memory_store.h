#ifndef EMBER_TESTS_VIRTIO_PMEM_MEMORY_STORE_H_
#define EMBER_TESTS_VIRTIO_PMEM_MEMORY_STORE_H_

#include <cstdint>

#include "base/thread_annotations.h"
#include "virtio/pmem/pmem_store.h"

namespace ember::virtio::testing {

// A store without memory whose flushes wait and fail as they are told. Any thread.
class MemoryStore final : public PmemStore {
 public:
  static constexpr uint64_t kSizeBytes = uint64_t{4} << 20;
  static constexpr uint64_t kKeptBytes = (uint64_t{3} << 20) + 512;

  explicit MemoryStore(Access access = Access::kReadWrite) : access_(access) {}

  uint64_t size_bytes() const override { return kSizeBytes; }
  uint64_t kept_bytes() const override { return kKeptBytes; }
  Access access() const override { return access_; }

  Status Flush() override {
    const MutexLock lock(mutex_);
    ++begun_;
    changed_.NotifyAll();
    while (held_) changed_.Wait(mutex_);
    if (fails_) return Error("flush told to fail");
    return {};
  }

  // From now on flushes do not end until Release().
  void Hold() {
    const MutexLock lock(mutex_);
    held_ = true;
  }
  void Release() {
    const MutexLock lock(mutex_);
    held_ = false;
    changed_.NotifyAll();
  }
  void Fail(bool fails) {
    const MutexLock lock(mutex_);
    fails_ = fails;
  }
  // Until `count` flushes were begun since the beginning.
  void AwaitFlush(int count) {
    const MutexLock lock(mutex_);
    while (begun_ < count) changed_.Wait(mutex_);
  }
  int begun() {
    const MutexLock lock(mutex_);
    return begun_;
  }

 private:
  const Access access_;
  Mutex mutex_;
  CondVar changed_;
  int begun_ GUARDED_BY(mutex_) = 0;
  bool held_ GUARDED_BY(mutex_) = false;
  bool fails_ GUARDED_BY(mutex_) = false;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_PMEM_MEMORY_STORE_H_
