#include "virtio/mem/mem_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "snapshot/fields.h"
#include "tests/virtio/mem/mem_bench.h"

namespace ember::virtio::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint16_t kBlocks = kMemBytes / kMemBlock;
constexpr uint16_t kSlotBlocks = kMemSlot / kMemBlock;

TEST(MemDeviceTest, ConfigurationSaysWhereAndHowLargeTheRegionIs) {
  MemBench bench(0);
  EXPECT_EQ(bench.rig.driver.Read(reg::kDeviceId), 24U);
  EXPECT_EQ(bench.Config(kBlockSizeOffset), kMemBlock);
  EXPECT_EQ(bench.Config(kAddrOffset), kMemStart);
  EXPECT_EQ(bench.Config(kRegionSizeOffset), kMemBytes);
  EXPECT_EQ(bench.Config(kUsableSizeOffset), 0U);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_EQ(bench.Config(kRequestedSizeOffset), 0U);
}

TEST(MemDeviceTest, OffersInaccessibleUnpluggedMemoryAndNoNode) {
  MemBench bench;
  EXPECT_EQ(bench.device->offered_features().bits(), kInaccessibleFeature);
}

TEST(MemDeviceTest, ADriverThatMightReadUnpluggedMemoryIsRefused) {
  MemBench bench;
  bench.rig.driver.Write(reg::kStatus, 0);
  bench.rig.driver.Start(kVersion1Feature, bench.ring->place());
  EXPECT_TRUE(bench.needs_reset());
  EXPECT_EQ(bench.metrics().activate_fails.value(), 1U);
}

TEST(MemDeviceTest, ConfigurationIsReadOnly) {
  MemBench bench;
  for (uint64_t offset = reg::kConfig; offset < reg::kConfig + 56; offset += 8) {
    const uint64_t before = bench.Config(offset);
    bench.rig.driver.WriteWide(offset, 0x1234'5678'9abc'def0, 8);
    EXPECT_EQ(bench.Config(offset), before);
  }
}

TEST(MemDeviceTest, AsksForASizeWithAConfigurationChange) {
  MemBench bench(0);
  const int interrupts = bench.rig.line.count();
  ASSERT_TRUE(bench.Request(3 * kMemBlock).has_value());
  EXPECT_GT(bench.rig.line.count(), interrupts);
  EXPECT_EQ(bench.Config(kRequestedSizeOffset), 3 * kMemBlock);
  EXPECT_EQ(bench.Config(kUsableSizeOffset), kMemSlot);
  ASSERT_TRUE(bench.Request(kMemSlot + kMemBlock).has_value());
  EXPECT_EQ(bench.Config(kUsableSizeOffset), 2 * kMemSlot);
}

TEST(MemDeviceTest, UsableSizeShrinksOnlyWithUnplugAll) {
  MemBench bench(2 * kMemSlot);
  ASSERT_TRUE(bench.Request(0).has_value());
  EXPECT_EQ(bench.Config(kUsableSizeOffset), 2 * kMemSlot);
  ASSERT_TRUE(bench.Request(kMemBlock).has_value());
  EXPECT_EQ(bench.Do(kUnplugAll).type, kAck);
  EXPECT_EQ(bench.Config(kUsableSizeOffset), kMemSlot);
}

TEST(MemDeviceTest, SizesThatCannotBeAreErrorsThatNameThem) {
  MemBench bench(kMemBlock);
  for (const uint64_t bytes : {kMemBlock - 1, kMemBlock + 1, kMemBytes - 1, kMemBytes + 1,
                               kMemBytes + kMemBlock, UINT64_MAX, uint64_t{1} << 63}) {
    const Status asked = bench.Request(bytes);
    ASSERT_FALSE(asked.has_value()) << bytes;
    EXPECT_THAT(asked.error().message(), HasSubstr(std::to_string(bytes)));
  }
  EXPECT_EQ(bench.Config(kRequestedSizeOffset), kMemBlock);
  EXPECT_TRUE(bench.Request(kMemBytes).has_value());
  EXPECT_TRUE(bench.Request(0).has_value());
}

TEST(MemDeviceTest, NoSizeIsAskedOfADriverThatIsNotUp) {
  MemBench bench;
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_FALSE(bench.Request(kMemBlock).has_value());
}

TEST(MemDeviceTest, PlugMakesABlockMemory) {
  MemBench bench;
  const MemBench::Response answer = bench.Do(kPlug, BlockAt(1), 1);
  EXPECT_EQ(answer.type, kAck);
  EXPECT_EQ(answer.used_len, kResponseBytes);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), kMemBlock);
  EXPECT_EQ(bench.State(1), kPlugged);
  EXPECT_EQ(bench.State(0), kUnplugged);
  EXPECT_EQ(bench.State(0, 2), kMixed);
  EXPECT_THAT(bench.slots->shown, ElementsAre(0U));
  EXPECT_TRUE(bench.rig.ram.memory().HostSpan(GuestAddress{BlockAt(1)}, kMemBlock).has_value());
  EXPECT_FALSE(bench.rig.ram.memory().HostSpan(GuestAddress{BlockAt(0)}, 1).has_value());
  EXPECT_FALSE(bench.rig.ram.memory().HostSpan(GuestAddress{BlockAt(2)}, 1).has_value());
}

TEST(MemDeviceTest, TheWholeRegionCanBePluggedAtOnceAndUnplugged) {
  MemBench bench;
  EXPECT_EQ(bench.Plug(0, kBlocks), kAck);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), kMemBytes);
  EXPECT_EQ(bench.State(0, kBlocks), kPlugged);
  EXPECT_EQ(bench.slots->shown.size(), kMemSlots);
  EXPECT_EQ(bench.Unplug(0, kBlocks), kAck);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_EQ(bench.State(0, kBlocks), kUnplugged);
  EXPECT_THAT(bench.slots->shown, IsEmpty());
  EXPECT_FALSE(bench.slots->misused);
}

TEST(MemDeviceTest, UnplugAllUnplugsWhateverIsPlugged) {
  MemBench bench;
  for (const uint64_t block : {0U, 5U, 6U, 17U, kBlocks - 1U}) ASSERT_EQ(bench.Plug(block), kAck);
  EXPECT_EQ(bench.Do(kUnplugAll).type, kAck);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_EQ(bench.State(0, kBlocks), kUnplugged);
  EXPECT_THAT(bench.slots->shown, IsEmpty());
  EXPECT_EQ(bench.Do(kUnplugAll).type, kAck);
}

TEST(MemDeviceTest, UnplugAllWithNothingUsableIsAcknowledged) {
  MemBench bench(0);
  EXPECT_EQ(bench.Do(kUnplugAll).type, kAck);
}

// Every bound of a range, one below, on it and one above.
TEST(MemDeviceTest, RangesThatAreNoBlocksOfTheUsableRegionAreErrors) {
  constexpr uint64_t kUsable = 2 * kMemSlot;
  MemBench bench(kUsable);
  constexpr uint16_t kUsableBlocks = kUsable / kMemBlock;
  struct Range {
    uint64_t addr;
    uint16_t count;
  };
  const std::vector<Range> ranges = {
      {BlockAt(0), 0},
      {BlockAt(0) + 1, 1},
      {BlockAt(0) - 1, 1},
      {BlockAt(0) + 4096, 1},
      {BlockAt(0) - kMemBlock, 1},
      {BlockAt(0) - kMemBlock, 2},
      {BlockAt(kUsableBlocks), 1},
      {BlockAt(kUsableBlocks) - kMemBlock, 2},
      {BlockAt(0), kUsableBlocks + 1},
      {BlockAt(1), kUsableBlocks},
      {BlockAt(0), UINT16_MAX},
      {BlockAt(kBlocks), 1},
      {0, 1},
      {0, UINT16_MAX},
      {UINT64_MAX, 1},
      {0 - kMemBlock, 1},
      {0 - kMemBlock, UINT16_MAX},
      {uint64_t{1} << 63, 1},
      {BlockAt(0) + (uint64_t{1} << 63), 1},
  };
  for (const Range& range : ranges) {
    for (const uint16_t type : {kPlug, kUnplug, kState}) {
      EXPECT_EQ(bench.Do(type, range.addr, range.count).type, kError)
          << type << " at " << range.addr << ", " << range.count;
    }
  }
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_THAT(bench.slots->shown, IsEmpty());
  EXPECT_EQ(bench.Plug(0, kUsableBlocks), kAck);
}

TEST(MemDeviceTest, AddressesAndCountsAtPowersOfTwoHaveOneAnswer) {
  MemBench bench;
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint64_t delta : {UINT64_MAX, uint64_t{0}, uint64_t{1}}) {
      const uint64_t addr = (uint64_t{1} << shift) + delta;
      const auto count = static_cast<uint16_t>((1U << (shift % 17)) + delta);
      const bool inside = addr >= kMemStart && addr % kMemBlock == 0 && count > 0 &&
                          addr + count * kMemBlock <= kMemStart + kMemBytes;
      EXPECT_EQ(bench.Do(kState, addr, count).type, inside ? kAck : kError) << addr;
    }
  }
}

TEST(MemDeviceTest, PluggingMoreThanRequestedIsDenied) {
  MemBench bench(3 * kMemBlock);
  EXPECT_EQ(bench.Plug(0, 4), kNack);
  EXPECT_EQ(bench.Plug(0, 3), kAck);
  EXPECT_EQ(bench.Plug(3), kNack);
  ASSERT_TRUE(bench.Request(4 * kMemBlock).has_value());
  EXPECT_EQ(bench.Plug(3), kAck);
  ASSERT_TRUE(bench.Request(0).has_value());
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 4 * kMemBlock);
  EXPECT_EQ(bench.Unplug(0), kAck);
  EXPECT_EQ(bench.Plug(0), kNack);
  EXPECT_EQ(bench.metrics().plug_fails.value(), 3U);
}

TEST(MemDeviceTest, BlocksThatAreInThatStateAlreadyAreErrors) {
  MemBench bench(2 * kMemSlot);
  EXPECT_EQ(bench.Unplug(0), kError);
  ASSERT_EQ(bench.Plug(1, 2), kAck);
  EXPECT_EQ(bench.Plug(1), kError);
  EXPECT_EQ(bench.Plug(0, 2), kError);
  EXPECT_EQ(bench.Plug(2, 2), kError);
  EXPECT_EQ(bench.Unplug(0, 2), kError);
  EXPECT_EQ(bench.Unplug(2, 2), kError);
  EXPECT_EQ(bench.State(1, 2), kPlugged);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 2 * kMemBlock);
  EXPECT_EQ(bench.Unplug(1, 2), kAck);
}

TEST(MemDeviceTest, ASlotIsShownWhileABlockOfItIsPlugged) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(kSlotBlocks - 1, 2), kAck);
  EXPECT_THAT(bench.slots->shown, ElementsAre(0U, 1U));
  ASSERT_EQ(bench.Plug(kSlotBlocks + 1), kAck);
  ASSERT_EQ(bench.Unplug(kSlotBlocks - 1, 2), kAck);
  EXPECT_THAT(bench.slots->shown, ElementsAre(1U));
  ASSERT_EQ(bench.Unplug(kSlotBlocks + 1), kAck);
  EXPECT_THAT(bench.slots->shown, IsEmpty());
  EXPECT_EQ(bench.slots->changes, 4U);
}

TEST(MemDeviceTest, UnpluggedMemoryGoesBackToTheHost) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0, kBlocks), kAck);
  for (uint64_t block = 0; block < kBlocks; ++block) bench.TouchBlock(block);
  EXPECT_EQ(bench.ResidentBytes(), kMemBytes);
  ASSERT_EQ(bench.Unplug(1), kAck);
  EXPECT_EQ(bench.ResidentBytes(), kMemBytes - kMemBlock);
  ASSERT_EQ(bench.Unplug(2, kBlocks - 2), kAck);
  EXPECT_EQ(bench.ResidentBytes(), kMemBlock);
  EXPECT_EQ(bench.pluggable().host()[0], std::byte{0x5a});
  ASSERT_EQ(bench.Do(kUnplugAll).type, kAck);
  EXPECT_EQ(bench.ResidentBytes(), 0U);
}

// Within a slot that is shown, processors reach unplugged blocks; what they made of them ends with
// the slot.
TEST(MemDeviceTest, WhatWasTouchedOutsideOfBlocksGoesBackWithTheSlot) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(2), kAck);
  for (uint64_t block = 0; block < kSlotBlocks; ++block) bench.TouchBlock(block);
  ASSERT_EQ(bench.Unplug(2), kAck);
  EXPECT_EQ(bench.ResidentBytes(), 0U);
}

TEST(MemDeviceTest, APluggedBlockReadsZerosWhateverItWas) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0, 2), kAck);
  bench.TouchBlock(0);
  ASSERT_EQ(bench.Unplug(0), kAck);
  ASSERT_EQ(bench.Plug(0), kAck);
  EXPECT_EQ(bench.pluggable().host()[0], std::byte{0});
}

TEST(MemDeviceTest, ABlockPluggedAnewIsDirty) {
  MemBench bench(kMemBytes, /*track_dirty_pages=*/true);
  ASSERT_EQ(bench.Plug(1), kAck);
  const std::vector<uint64_t> words = bench.rig.ram.memory().dirty_pages()->Take(2);
  constexpr size_t kWordsPerBlock = kMemBlock / kMemPage / 64;
  for (size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(words[i], i / kWordsPerBlock == 1 ? ~uint64_t{0} : 0U) << i;
  }
}

TEST(MemDeviceTest, AHostThatRefusesASlotMakesTheDeviceBusyAndLeavesNothing) {
  MemBench bench;
  bench.slots->refused = 2;
  EXPECT_EQ(bench.Plug(0, 3 * kSlotBlocks), kBusy);
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_EQ(bench.State(0, kBlocks), kUnplugged);
  EXPECT_THAT(bench.slots->shown, IsEmpty());
  EXPECT_FALSE(bench.slots->misused);
  bench.slots->refused.reset();
  EXPECT_EQ(bench.Plug(0, 3 * kSlotBlocks), kAck);
}

TEST(MemDeviceTest, ARefusedPlugLeavesTheSlotsOfOtherBlocks) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0), kAck);
  bench.TouchBlock(0);
  bench.slots->refused = 1;
  EXPECT_EQ(bench.Plug(1, kSlotBlocks), kBusy);
  EXPECT_THAT(bench.slots->shown, ElementsAre(0U));
  EXPECT_EQ(bench.State(0), kPlugged);
  EXPECT_EQ(bench.ResidentBytes(), kMemBlock);
}

TEST(MemDeviceTest, AResetOfTheDeviceLeavesBlocksAsTheyAre) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(3, 2), kAck);
  bench.TouchBlock(3);
  bench.rig.driver.Write(reg::kStatus, 0);
  bench.rig.Pump();
  bench.Start();
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 2 * kMemBlock);
  EXPECT_EQ(bench.Config(kRequestedSizeOffset), kMemBytes);
  EXPECT_EQ(bench.State(3, 2), kPlugged);
  EXPECT_EQ(bench.ResidentBytes(), kMemBlock);
}

TEST(MemDeviceTest, LongRequestsTakeManyWakeUpsOfBoundedWork) {
  MemBench bench;
  bench.Send(kPlug, BlockAt(0), kBlocks);
  size_t changes = 0;
  int wake_ups = 0;
  while (bench.rig.PumpOnce()) {
    EXPECT_LE(bench.slots->changes - changes, 3U);
    changes = bench.slots->changes;
    ++wake_ups;
  }
  EXPECT_GE(wake_ups, 3);
  EXPECT_EQ(bench.Take().type, kAck);
}

// Whenever the driver resets the device, what was begun is finished or undone.
TEST(MemDeviceTest, AResetInTheMiddleOfARequestLeavesNothingHalfDone) {
  for (const uint16_t type : {kPlug, kUnplug, kUnplugAll}) {
    for (int wake_ups = 0; wake_ups < 8; ++wake_ups) {
      SCOPED_TRACE(::testing::Message() << type << " after " << wake_ups);
      MemBench bench;
      if (type != kPlug) {
        ASSERT_EQ(bench.Plug(0, kBlocks), kAck);
        for (uint64_t block = 0; block < kBlocks; ++block) bench.TouchBlock(block);
      }
      bench.Send(type, BlockAt(0), kBlocks);
      for (int i = 0; i < wake_ups; ++i) bench.rig.PumpOnce();
      bench.rig.driver.Write(reg::kStatus, 0);
      bench.rig.Pump();
      const uint64_t plugged = bench.pluggable().CountPlugged(bench.pluggable().all_blocks());
      EXPECT_EQ(bench.device->plugged_bytes(), plugged * kMemBlock);
      EXPECT_TRUE(plugged == 0 || plugged == kBlocks);
      EXPECT_EQ(bench.slots->shown.size(), plugged == 0 ? 0 : kMemSlots);
      EXPECT_EQ(bench.ResidentBytes() > 0, plugged > 0 && type != kPlug);
      EXPECT_FALSE(bench.slots->misused);
      bench.Start();
      EXPECT_EQ(bench.Do(kUnplugAll).type, kAck);
      EXPECT_THAT(bench.slots->shown, IsEmpty());
    }
  }
}

TEST(MemDeviceTest, RequestsAreCounted) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0, 3), kAck);
  ASSERT_EQ(bench.Unplug(0), kAck);
  ASSERT_EQ(bench.Unplug(0), kError);
  ASSERT_EQ(bench.State(0), kUnplugged);
  ASSERT_EQ(bench.Do(kState, 0, 1).type, kError);
  ASSERT_EQ(bench.Do(kUnplugAll).type, kAck);
  EXPECT_EQ(bench.metrics().plug_count.value(), 1U);
  EXPECT_EQ(bench.metrics().plug_bytes.value(), 3 * kMemBlock);
  EXPECT_EQ(bench.metrics().unplug_count.value(), 2U);
  EXPECT_EQ(bench.metrics().unplug_fails.value(), 1U);
  EXPECT_EQ(bench.metrics().unplug_bytes.value(), kMemBlock);
  EXPECT_EQ(bench.metrics().state_count.value(), 2U);
  EXPECT_EQ(bench.metrics().state_fails.value(), 1U);
  EXPECT_EQ(bench.metrics().unplug_all_count.value(), 1U);
  EXPECT_GE(bench.metrics().plug_agg.sum_us(), bench.metrics().plug_agg.min_us());
}

std::string CreationError(uint64_t slot_bytes, const GuestMemory::Options& options) {
  const GuestRam ram(options);
  const auto device = MemDevice::Create(
      {.memory = ram.memory(),
       .slot_bytes = slot_bytes,
       .slots = std::make_unique<FakeMemSlots>(std::make_shared<FakeMemSlots::Record>())});
  return device ? "no error" : device.error().message();
}

TEST(MemDeviceCreationTest, SlotsAreWholeBlocksAndMakeUpTheRegion) {
  EXPECT_EQ(CreationError(kMemBlock, MemOptions()), "no error");
  EXPECT_EQ(CreationError(kMemBytes, MemOptions()), "no error");
  EXPECT_THAT(CreationError(0, MemOptions()), HasSubstr("slots of 0 bytes"));
  EXPECT_THAT(CreationError(kMemBlock + 4096, MemOptions()), HasSubstr("whole blocks of 2097152"));
  EXPECT_THAT(CreationError(3 * kMemBlock, MemOptions()), HasSubstr("make up the region"));
  EXPECT_THAT(CreationError(2 * kMemBytes, MemOptions()), HasSubstr("make up the region"));
}

TEST(MemDeviceCreationTest, AMachineWithoutPluggableMemoryHasNoSuchDevice) {
  EXPECT_THAT(CreationError(kMemSlot, {}), HasSubstr("needs pluggable memory"));
}

TEST(MemDeviceTest, FinishesTheRequestUnderWayToRest) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0, 32), kAck);
  bench.Send(kUnplug, BlockAt(0), 32);
  bench.rig.PumpOnce();
  ASSERT_EQ(bench.ring->used_index(), 1) << "it takes more than one wake-up";
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 2);
  EXPECT_EQ(bench.Take().type, kAck);
  EXPECT_TRUE(bench.slots->shown.empty());
}

// A device over memory of its own, with the state as it comes from a file.
struct MemCopy {
  explicit MemCopy(const MemState& state)
      : device(MemDevice::Create(
            {.memory = ram.memory(),
             .slot_bytes = kMemSlot,
             .slots = std::make_unique<FakeMemSlots>(slots),
             .state = snapshot::FromTree<MemState>(snapshot::ToTree(state), 1).value()})) {}
  std::string error() const { return device ? "none" : device.error().message(); }

  GuestRam ram{MemOptions()};
  std::shared_ptr<FakeMemSlots::Record> slots = std::make_shared<FakeMemSlots::Record>();
  Result<std::unique_ptr<MemDevice>> device;
};

TEST(MemStateTest, IsWhatIsPluggedAndAskedFor) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0), kAck);
  ASSERT_EQ(bench.Plug(9, 4), kAck);
  ASSERT_TRUE(bench.Request(2 * kMemSlot));
  const MemCopy copy(bench.device->Save());
  ASSERT_TRUE(copy.device) << copy.error();
  EXPECT_EQ((*copy.device)->plugged_bytes(), 5 * kMemBlock);
  EXPECT_EQ((*copy.device)->requested_bytes(), 2 * kMemSlot);
  EXPECT_EQ((*copy.device)->usable_bytes(), kMemBytes);
  EXPECT_EQ(copy.slots->shown, (std::set<size_t>{0, 2, 3}));
  const PluggableMemory& memory = *copy.ram.memory().pluggable();
  EXPECT_EQ(memory.CountPlugged({.first = 0, .count = 1}), 1U);
  EXPECT_EQ(memory.CountPlugged({.first = 9, .count = 4}), 4U);
  EXPECT_EQ(memory.CountPlugged(memory.all_blocks()), 5U);
}

TEST(MemStateTest, MustBeOneThatClientAndDriverCanBringAbout) {
  MemBench bench(kMemSlot);
  ASSERT_EQ(bench.Plug(1), kAck);
  const MemState good = bench.device->Save();
  EXPECT_EQ(MemCopy(good).error(), "none");
  MemState bad = good;
  bad.requested_bytes = 2 * kMemSlot;
  EXPECT_THAT(MemCopy(bad).error(), HasSubstr("memory device: no client and driver"));
  bad = good;
  bad.plugged.pop_back();
  EXPECT_EQ(MemCopy(bad).error(),
            "memory device: the snapshot has bits for 24 blocks, the region 32");
  bad = good;
  bad.plugged[1] = std::byte{1};
  EXPECT_EQ(MemCopy(bad).error(), "memory device: block 8 cannot be plugged");
}

}  // namespace
}  // namespace ember::virtio::testing
