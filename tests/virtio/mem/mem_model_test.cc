// Random requests against a model that keeps one bool a block.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "tests/virtio/mem/mem_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kBlocks = kMemBytes / kMemBlock;
constexpr uint64_t kSlotBlocks = kMemSlot / kMemBlock;

// The specification, block by block (5.15.6).
class Model {
 public:
  void Ask(uint64_t blocks) {
    requested_ = blocks;
    const uint64_t slots = (blocks + kSlotBlocks - 1) / kSlotBlocks;
    usable_ = std::max(usable_, slots * kSlotBlocks);
  }
  uint16_t Plug(uint64_t first, uint64_t count) {
    if (!Usable(first, count)) return kError;
    if (plugged() + count > requested_) return kNack;
    if (Count(first, count) > 0) return kError;
    Set(first, count, true);
    return kAck;
  }
  uint16_t Unplug(uint64_t first, uint64_t count) {
    if (!Usable(first, count) || Count(first, count) < count) return kError;
    Set(first, count, false);
    return kAck;
  }
  void UnplugAll() {
    Set(0, kBlocks, false);
    usable_ = (requested_ + kSlotBlocks - 1) / kSlotBlocks * kSlotBlocks;
  }
  std::optional<uint16_t> State(uint64_t first, uint64_t count) const {
    if (!Usable(first, count)) return std::nullopt;
    const uint64_t there = Count(first, count);
    if (there == 0) return kUnplugged;
    return there == count ? kPlugged : kMixed;
  }
  uint64_t plugged() const { return Count(0, kBlocks); }
  uint64_t usable() const { return usable_; }
  std::set<size_t> Slots() const {
    std::set<size_t> slots;
    for (uint64_t block = 0; block < kBlocks; ++block) {
      if (blocks_[block]) slots.insert(block / kSlotBlocks);
    }
    return slots;
  }

 private:
  bool Usable(uint64_t first, uint64_t count) const {
    return count > 0 && first + count <= usable_;
  }
  uint64_t Count(uint64_t first, uint64_t count) const {
    uint64_t there = 0;
    for (uint64_t i = 0; i < count; ++i) there += blocks_[first + i] ? 1U : 0U;
    return there;
  }
  void Set(uint64_t first, uint64_t count, bool value) {
    for (uint64_t i = 0; i < count; ++i) blocks_[first + i] = value;
  }

  std::vector<bool> blocks_ = std::vector<bool>(kBlocks);
  uint64_t requested_ = 0;
  uint64_t usable_ = 0;
};

TEST(MemModelTest, RandomRequestsAgreeWithTheModel) {
  std::mt19937_64 random(7);
  const auto below = [&random](uint64_t limit) { return random() % limit; };
  MemBench bench(0);
  Model model;
  for (int round = 0; round < 5000; ++round) {
    const uint64_t first = below(kBlocks + 1);
    const auto count = static_cast<uint16_t>(below(below(4) == 0 ? kBlocks + 2 : 4));
    switch (below(16)) {
      case 0: {
        const uint64_t blocks = below(kBlocks + 1);
        ASSERT_TRUE(bench.Request(blocks * kMemBlock).has_value());
        model.Ask(blocks);
        break;
      }
      case 1:
        ASSERT_EQ(bench.Do(kUnplugAll).type, kAck);
        model.UnplugAll();
        break;
      case 2:
      case 3:
        ASSERT_EQ(bench.State(first, count), model.State(first, count));
        break;
      case 4:
        bench.rig.driver.Write(reg::kStatus, 0);
        bench.rig.Pump();
        bench.Start();
        break;
      default:
        if (below(2) == 0) {
          ASSERT_EQ(bench.Plug(first, count), model.Plug(first, count)) << first << ' ' << count;
        } else {
          ASSERT_EQ(bench.Unplug(first, count), model.Unplug(first, count));
        }
    }
    ASSERT_EQ(bench.Config(kPluggedSizeOffset), model.plugged() * kMemBlock);
    ASSERT_EQ(bench.Config(kUsableSizeOffset), model.usable() * kMemBlock);
    ASSERT_EQ(bench.slots->shown, model.Slots());
    // What devices reach is what is plugged.
    const bool reached =
        !bench.rig.ram.memory().HostPrefix(GuestAddress{BlockAt(first)}, 1).empty();
    ASSERT_EQ(reached, model.State(first, 1) == kPlugged);
    if (reached) bench.TouchBlock(first);
    ASSERT_LE(bench.ResidentBytes(), model.plugged() * kMemBlock);
  }
  EXPECT_FALSE(bench.slots->misused);
  EXPECT_FALSE(bench.needs_reset());
}

}  // namespace
}  // namespace ember::virtio::testing
