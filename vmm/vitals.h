#ifndef EMBER_VMM_VITALS_H_
#define EMBER_VMM_VITALS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/thread_annotations.h"

namespace ember::vmm {

// What a vCPU thread is at, as others see it. Two plain stores for each exit of the guest's.
// Written by one thread, read by any.
class VcpuPulse {
 public:
  enum class State : uint8_t {
    kPaused,
    kGuest,  // in KVM_RUN
    kExit,   // between an exit and the next entry: the VMM's own code
    kEnded,
  };
  // A state and how many there were before: alike only while nothing has moved.
  using Beat = uint64_t;

  // Relaxed: the word tells only of itself.
  void Enter(State state) {
    const Beat count = (beat_.load(std::memory_order_relaxed) >> kStateBits) + 1;
    beat_.store(count << kStateBits | static_cast<Beat>(state), std::memory_order_relaxed);
  }
  Beat beat() const { return beat_.load(std::memory_order_relaxed); }
  static State StateOf(Beat beat) { return static_cast<State>(beat & ((1 << kStateBits) - 1)); }

 private:
  static constexpr int kStateBits = 2;
  std::atomic<Beat> beat_{0};
};

// Memory of this process, by its addresses.
struct HostRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Whether the threads of this process get on, and where its guest's memory lies: event loops are
// asked, vCPU threads are looked at. Costs nothing while nobody asks. Any thread.
class Vitals {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Takes its thread off the list when destroyed. Move-only.
  class Entry {
   public:
    explicit Entry(std::function<void()> remove) : remove_(std::move(remove)) {}
    Entry(Entry&& other) noexcept : remove_(std::exchange(other.remove_, nullptr)) {}
    Entry& operator=(Entry&&) = delete;
    ~Entry() {
      if (remove_) remove_();
    }

   private:
    std::function<void()> remove_;
  };

  // A question to one loop.
  struct LoopCheck {
    explicit LoopCheck(std::string loop_name) : name(std::move(loop_name)) {}
    const std::string name;
    std::atomic<int64_t> answer_us{-1};  // how long it took; -1: not yet
    std::atomic<bool> gone{false};       // the loop is no more, and did not answer
  };
  struct VcpuSample {
    uint32_t index = 0;
    VcpuPulse::Beat beat = 0;
  };

  // On the list while the entry lives; the loop, or pulse, and these vitals outlive it.
  Entry AddLoop(std::string name, EventLoop& loop) EXCLUDES(mutex_);
  Entry AddVcpu(uint32_t index, const VcpuPulse& pulse) EXCLUDES(mutex_);

  // Asks every loop; the VMM's comes first. `on_answer` is called on a loop's thread after each
  // answer, perhaps long after everybody has lost interest. One that has yet to answer is not asked
  // again, so that a loop that is stuck collects no questions: the check is that of who asked it,
  // whose `on_answer` alone is called.
  std::vector<std::shared_ptr<const LoopCheck>> AskLoops(
      const std::function<void()>& on_answer) const EXCLUDES(mutex_);
  std::vector<VcpuSample> SampleVcpus() const EXCLUDES(mutex_);

  // None where there is no machine.
  void SetGuestMemory(std::vector<HostRange> ranges) EXCLUDES(mutex_);
  std::vector<HostRange> guest_memory() const EXCLUDES(mutex_);

  // The VMM's loop carries out what a client asked for, which may take its time: since when, or
  // nothing. Written by the loop thread.
  void BeginAction() { action_since_ns_.store(NowNs(), std::memory_order_relaxed); }
  void EndAction() { action_since_ns_.store(0, std::memory_order_relaxed); }
  std::optional<std::chrono::nanoseconds> action_age() const;

 private:
  struct Loop {
    std::string name;
    EventLoop& loop;
    mutable std::shared_ptr<LoopCheck> latest;  // null: never asked
  };
  class Question;
  struct Vcpu {
    uint32_t index;
    const VcpuPulse& pulse;
  };
  static int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

  std::atomic<int64_t> action_since_ns_{0};  // 0: there is none
  mutable Mutex mutex_;
  std::list<Loop> loops_ GUARDED_BY(mutex_);
  std::list<Vcpu> vcpus_ GUARDED_BY(mutex_);
  std::vector<HostRange> guest_memory_ GUARDED_BY(mutex_);
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_VITALS_H_
