#ifndef EMBER_VIRTIO_MEM_SLOT_WORK_H_
#define EMBER_VIRTIO_MEM_SLOT_WORK_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/mem/mem_slots.h"
#include "virtio/mem/metrics.h"

namespace ember::virtio {

// The host's part of plugging and unplugging: shows and hides slots, sets memory aside and gives it
// back, piece by piece, so that no call takes long. One job at a time.
//
//   work.StartPlug(blocks);
//   while (work.busy()) { work.Step(budget); if (budget <= 0) come again later; }
//   if (work.failed()) …
//
// Threads as VirtioDevice says.
class SlotWork {
 public:
  using Blocks = PluggableMemory::Blocks;

  // What a step costs, in bytes given back: about 2 ms for 32 MiB.
  static constexpr int64_t kSlotChangeCostBytes = int64_t{16} << 20;
  static constexpr int64_t kLookCostBytes = int64_t{4} << 10;
  // The most that is given back, or set aside, at once.
  static constexpr uint64_t kMaxPieceBytes = uint64_t{8} << 20;

  // A slot is a whole number of blocks, the pluggable memory of `memory` a whole number of slots.
  SlotWork(const GuestMemory& memory, uint64_t slot_bytes, std::unique_ptr<MemSlots> slots,
           MemMetrics& metrics);

  // Shows all slots that have a plugged block, before any work.
  Status ShowPlugged();

  // Begins to get blocks ready that are not plugged, and are then; or clears away blocks that were
  // unplugged just now. Not while busy.
  void StartPlug(Blocks blocks);
  void StartUnplug(Blocks blocks);
  // Blocks that were being plugged will not be.
  void AbandonPlug();

  bool busy() const { return job_ != Job::kNone; }
  // Whether the host refused the last plug: then nothing is plugged.
  bool failed() const { return failed_; }
  // Does a piece, and takes its cost from `budget`. While busy.
  void Step(int64_t& budget);

 private:
  enum class Job : uint8_t { kNone, kPlug, kUnplug };

  // Bytes of the region, by offset.
  uint64_t SlotEnd(uint64_t offset) const { return (offset / slot_bytes_ + 1) * slot_bytes_; }
  GuestRange RangeOf(uint64_t offset, uint64_t len) const {
    return {.start = pluggable_.range().start + offset, .size_bytes = len};
  }
  void Start(Job job, Blocks blocks);
  void StepPlug(int64_t& budget);
  void StepUnplug(int64_t& budget);
  void FailPlug(const Error& error);
  // Looks at the slot of next_: hides it where nothing in it is plugged, and then has all of it
  // given back, for processors could have touched any of it.
  void EnterSlot(int64_t& budget);
  void Discard(const GuestRange& range, int64_t& budget);

  const GuestMemory& memory_;
  PluggableMemory& pluggable_;
  const uint64_t slot_bytes_;
  const std::unique_ptr<MemSlots> slots_;
  MemMetrics& metrics_;

  std::vector<bool> shown_;  // by slot
  Job job_ = Job::kNone;
  Blocks blocks_;  // of the job
  // Offsets: where the job's blocks end, the first byte that nothing was done with, and,
  // unplugging, where the discarding in its slot ends.
  uint64_t end_ = 0;
  uint64_t next_ = 0;
  uint64_t discard_end_ = 0;
  bool failed_ = false;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MEM_SLOT_WORK_H_
