#ifndef EMBER_TESTS_VIRTIO_DRIVER_FAKE_MEM_SLOTS_H_
#define EMBER_TESTS_VIRTIO_DRIVER_FAKE_MEM_SLOTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "memory/guest_memory.h"
#include "virtio/mem/mem_device.h"
#include "virtio/mem/mem_slots.h"

namespace ember::virtio::testing {

// Sizes small enough to reach every edge.
inline constexpr uint64_t kMemBlock = uint64_t{2} << 20;
inline constexpr uint64_t kMemSlot = 4 * kMemBlock;
inline constexpr uint64_t kMemSlots = 8;
inline constexpr uint64_t kMemStart = uint64_t{8} << 30;
inline constexpr uint64_t kMemBytes = kMemSlots * kMemSlot;

inline GuestMemory::Options MemOptions(bool track_dirty_pages = false) {
  return {.track_dirty_pages = track_dirty_pages,
          .pluggable = PluggableMemory::Options{
              .range = {.start = GuestAddress{kMemStart}, .size_bytes = kMemBytes},
              .block_bytes = kMemBlock}};
}

// What a machine's slots would be told, in a place that the test can look at. Threads as MemSlots.
class FakeMemSlots final : public MemSlots {
 public:
  struct Record {
    std::set<size_t> shown;
    size_t changes = 0;
    std::optional<size_t> refused;  // Show() of this one fails
    bool misused = false;           // shown twice, or hidden while hidden
  };

  // `memory` is kept alive, where the device's is nobody else's.
  explicit FakeMemSlots(std::shared_ptr<Record> record,
                        std::shared_ptr<const GuestMemory> memory = nullptr)
      : record_(std::move(record)), memory_(std::move(memory)) {}

  Status Show(size_t index) override {
    ++record_->changes;
    if (record_->refused == index) return Error("told to fail");
    if (!record_->shown.insert(index).second) record_->misused = true;
    return {};
  }
  void Hide(size_t index) override {
    ++record_->changes;
    if (record_->shown.erase(index) == 0) record_->misused = true;
  }

 private:
  const std::shared_ptr<Record> record_;
  const std::shared_ptr<const GuestMemory> memory_;
};

// A device with memory of its own.
inline std::unique_ptr<MemDevice> MakeMemDevice() {
  const std::shared_ptr<const GuestMemory> memory = *GuestMemory::Create(
      {{.start = GuestAddress{0}, .size_bytes = uint64_t{1} << 20}}, MemOptions());
  return *MemDevice::Create(
      {.memory = *memory,
       .slot_bytes = kMemSlot,
       .slots = std::make_unique<FakeMemSlots>(std::make_shared<FakeMemSlots::Record>(), memory)});
}

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_FAKE_MEM_SLOTS_H_
