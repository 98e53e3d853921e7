#ifndef EMBER_VIRTIO_BLOCK_BLOCK_SESSION_H_
#define EMBER_VIRTIO_BLOCK_BLOCK_SESSION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rate_limiter.h"
#include "base/timer.h"
#include "virtio/block/disk.h"
#include "virtio/block/finish_pace.h"
#include "virtio/block/io_engine.h"
#include "virtio/block/metrics.h"
#include "virtio/block/request.h"
#include "virtio/block/request_steps.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

enum class CacheType : uint8_t {
  kUnsafe,     // the driver is offered no flush: the host writes when it likes
  kWriteback,  // what a flush covered is durable when it completes
};

// What a block device has whether a driver is there or not.
struct BlockParts {
  const std::string name;
  const CacheType cache_type;
  const Clock& clock;
  RateLimiter limiter;
  Timer timer;  // when the session is to be woken without any other cause
  BlockMetrics metrics;
  std::unique_ptr<Disk> disk;
  std::unique_ptr<IoEngine> engine;  // works on the disk
};

// A block device's work for one driver, from DRIVER_OK to reset: requests are taken from the
// queues, admitted by the rate limiter, carried out by the engine in steps, and answered in bursts
// with one interrupt each. A call does a bounded amount of work. The device's mutex is held over
// every method.
class BlockSession {
 public:
  // A call ends when the requests it did cost this much: their bytes, and the fixed costs.
  static constexpr int64_t kBudgetBytes = int64_t{4} << 20;
  static constexpr int64_t kRequestCostBytes = int64_t{16} << 10;
  static constexpr int64_t kFlushCostBytes = int64_t{1} << 20;  // and of each part of a range
  // What is done at most of requests under way before the disk is changed for another.
  static constexpr int64_t kChangeBudgetBytes = int64_t{64} << 20;
  // How often a call that the host put off (EAGAIN, EINTR) is asked again.
  static constexpr int kMaxRetries = 16;

  // Borrows the parts for its life.
  BlockSession(BlockParts& parts, Activation activation);
  // Cancels what can be and waits for the rest: nothing of the driver's is touched after.
  ~BlockSession();
  BlockSession(const BlockSession&) = delete;
  BlockSession& operator=(const BlockSession&) = delete;

  Progress OnNotify(QueueIndex queue);
  // The engine has finished calls.
  void OnEngine();
  // The timer's time has come.
  void OnTimer();
  // Finishes the requests under way on the disk as it is, and returns when no call is with the
  // engine. What is left of very large ones is done on the disk that comes.
  void FinishUnderWay();
  // Finishes all requests under way, however large, puts those back that the limiter holds, and
  // makes the disk durable, which may fail.
  Status ComeToRest();
  void ConfigChanged() { driver_.ConfigChanged(); }
  // Whether OnEngine() is to be called as soon as the engine has finished a call. If not, the timer
  // is armed.
  bool awaits_engine() const { return !gathering_; }

 private:
  struct Line;
  // A request under way.
  struct Slot {
    Slot(QueueSize size, IoTag own_tag) : storage(size), tag(own_tag) {}
    ChainStorage storage;
    const IoTag tag;
    Line* line = nullptr;
    std::optional<DescriptorChain> chain;  // nothing in a free slot
    BlockRequest request;
    RequestSteps steps;
    std::chrono::nanoseconds began_at{};
    int retries = 0;
  };
  // One of the driver's queues.
  struct Line {
    Queue queue;
    QueueIndex index;
    Slot* held = nullptr;  // a request that the limiter did not admit yet
    bool hungry = false;   // may have buffers, so that no notification is asked for
    bool drained = false;  // had none when it was last looked at
  };
  enum class Admission { kAdmitted, kHeld };

  // Works until there is nothing to do or the budget is spent. Whether there is more that no event
  // will call for.
  bool Run();
  bool CanGoOn() const;
  void RunRunnable();
  void TakeFrom(Line& line);
  // Takes the next request into a free slot. False where there is none, or after a breach.
  bool TakeOne(Line& line);
  Admission Admit(Line& line, Slot& slot);
  void HandOver();
  void Publish();
  void AskForNotifications();
  void ArmTimer();
  // How long finished calls are left to gather; 0: not at all.
  std::chrono::nanoseconds GatheringTime() const;
  bool AnyHeld() const;
  void NeedsReset(Line& line, Breach breach);

  void Begin(Slot& slot);
  void BeginTransfer(Slot& slot);
  void BeginRanges(Slot& slot);
  // Lets the engine do the slot's next steps until one is in flight, the budget is spent, or it is
  // answered.
  void Carry(Slot& slot);
  // Takes note of a finished call. False where that answered the request.
  bool Account(Slot& slot, const IoResult& result);
  void OnFinished(const IoCompletion& completion);

  Durability WriteDurability() const;
  void Succeed(Slot& slot);
  void GetId(Slot& slot);
  void Invalid(Slot& slot, BlockStatus status);
  void HostFailure(Slot& slot, const Error& error);
  void Answer(Slot& slot, BlockStatus status, uint64_t written_bytes);
  void Drop(Slot& slot);
  Slot& SlotOf(IoTag tag) { return slots_[ToInteger(tag)]; }

  BlockParts& parts_;
  const GuestMemory& memory_;
  DriverEvents& driver_;
  const Features features_;
  std::vector<Line> lines_;  // constant after construction
  std::deque<Slot> slots_;   // as many as can be under way; by tag
  std::vector<Slot*> free_;
  std::vector<Slot*> runnable_;  // first come, first served
  size_t first_line_ = 0;        // whose turn it is
  size_t in_flight_ = 0;         // calls with the engine
  FinishPace pace_;
  bool gathering_ = false;
  int64_t budget_ = 0;
  std::chrono::nanoseconds now_{};  // read once for a burst
  bool started_ = false;            // calls that the host was not shown yet
  bool engine_full_ = false;        // the host did not take all calls
  bool broken_ = false;             // after a breach no ring is touched
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_BLOCK_SESSION_H_
