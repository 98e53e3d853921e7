// What a driver of bad will, or a broken one, makes of the request queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/virtio/mem/mem_bench.h"

namespace ember::virtio::testing {
namespace {

// Adds the segments as a request and returns what came back of it.
std::optional<UsedEntry> Offer(MemBench& bench, const std::vector<Segment>& segments) {
  bench.ring->Add(segments);
  bench.ring->Publish();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  return bench.ring->TakeUsed();
}

TEST(MemHostileTest, UnknownRequestsAreErrors) {
  MemBench bench;
  for (const int type : {4, 5, 0x7fff, 0xffff}) {
    EXPECT_EQ(bench.Do(static_cast<uint16_t>(type), BlockAt(0), 1).type, kError) << type;
  }
  EXPECT_EQ(bench.metrics().queue_event_fails.value(), 4U);
}

TEST(MemHostileTest, ARequestOneByteShortIsAnError) {
  MemBench bench;
  const auto used = Offer(
      bench, {{bench.request, kRequestBytes - 1, false}, {bench.response, kResponseBytes, true}});
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->len, kResponseBytes);
  EXPECT_EQ(*bench.rig.ram.memory().Read<uint16_t>(bench.response), kError);
}

TEST(MemHostileTest, WhatCannotBeAnsweredIsNotDone) {
  MemBench bench;
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request, kPlug).has_value());
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request + 8, BlockAt(0)).has_value());
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request + 16, uint16_t{1}).has_value());
  for (const uint32_t room : {0U, 1U, kResponseBytes - 1}) {
    const auto used =
        Offer(bench, {{bench.request, kRequestBytes, false}, {bench.response, room, true}});
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->len, 0U);
  }
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_FALSE(bench.needs_reset());
}

TEST(MemHostileTest, RequestAndAnswerMayLieInAnyPieces) {
  MemBench bench;
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request, kPlug).has_value());
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request + 8, BlockAt(0)).has_value());
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request + 16, uint16_t{1}).has_value());
  const auto used = Offer(bench, {{bench.request, 1, false},
                                  {bench.request + 1, 15, false},
                                  {bench.request + 16, 8, false},
                                  {bench.response, 1, true},
                                  {bench.response + 1, 9, true}});
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->len, kResponseBytes);
  EXPECT_EQ(*bench.rig.ram.memory().Read<uint16_t>(bench.response), kAck);
}

TEST(MemHostileTest, BuffersInUnpluggedMemoryAreABreachAndTakeNoMemory) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0), kAck);
  const uint64_t before = bench.ResidentBytes();
  bench.ring->Add(
      {{GuestAddress{BlockAt(1)}, kRequestBytes, false}, {bench.response, kResponseBytes, true}});
  bench.ring->Publish();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_TRUE(bench.needs_reset());
  EXPECT_EQ(bench.ResidentBytes(), before);
}

TEST(MemHostileTest, ABufferThatLeavesItsBlockIsABreach) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0), kAck);
  bench.ring->Add({{bench.request, kRequestBytes, false},
                   {GuestAddress{BlockAt(1) - 4}, kResponseBytes, true}});
  bench.ring->Publish();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_TRUE(bench.needs_reset());
}

TEST(MemHostileTest, BuffersMayLieInPluggedMemory) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0, 2), kAck);
  const GuestAddress across{BlockAt(1) - 12};
  const GuestMemory& memory = bench.rig.ram.memory();
  ASSERT_TRUE(memory.Write(across, kState).has_value());
  ASSERT_TRUE(memory.Write(across + 8, BlockAt(0)).has_value());
  ASSERT_TRUE(memory.Write(across + 16, uint16_t{2}).has_value());
  const GuestAddress response{BlockAt(1) + 64};
  const auto used =
      Offer(bench, {{across, kRequestBytes, false}, {response, kResponseBytes, true}});
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(*memory.Read<uint16_t>(response), kAck);
  EXPECT_EQ(*memory.Read<uint16_t>(response + 8), kPlugged);
}

// The answer goes to memory that the request itself unplugs: it stays within that page.
TEST(MemHostileTest, AnUnplugOfItsOwnBuffersHarmsNobody) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0), kAck);
  const GuestMemory& memory = bench.rig.ram.memory();
  const GuestAddress at{BlockAt(0)};
  ASSERT_TRUE(memory.Write(at, kUnplug).has_value());
  ASSERT_TRUE(memory.Write(at + 8, BlockAt(0)).has_value());
  ASSERT_TRUE(memory.Write(at + 16, uint16_t{1}).has_value());
  const auto used = Offer(bench, {{at, kRequestBytes, false}, {at + 64, kResponseBytes, true}});
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  EXPECT_LE(bench.ResidentBytes(), kMemPage);
}

TEST(MemHostileTest, ARingInMemoryThatIsUnpluggedHarmsNobody) {
  MemBench bench;
  ASSERT_EQ(bench.Plug(0), kAck);
  bench.rig.driver.Write(reg::kStatus, 0);
  const RingPlace place{.size = 16,
                        .descriptors = GuestAddress{BlockAt(0)},
                        .available = GuestAddress{BlockAt(0) + 0x1000},
                        .used = GuestAddress{BlockAt(0) + 0x2000}};
  bench.rig.driver.Start(kInaccessibleFeature | kVersion1Feature, place);
  EXPECT_FALSE(bench.needs_reset());
  DriverRing ring(bench.rig.ram.memory(), place);
  ASSERT_TRUE(bench.rig.ram.memory().Write(bench.request, kUnplugAll).has_value());
  ring.Add({{bench.request, kRequestBytes, false}, {bench.response, kResponseBytes, true}});
  ring.Publish();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.Config(kPluggedSizeOffset), 0U);
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_LE(bench.ResidentBytes(), 3 * kMemPage);
}

TEST(MemHostileTest, NotificationsOfNoQueueAreIgnored) {
  MemBench bench;
  for (const uint32_t queue : {1U, 2U, 0xffffU, 0xffff'ffffU}) bench.rig.driver.Notify(queue);
  bench.rig.Pump();
  EXPECT_EQ(bench.Plug(0), kAck);
}

}  // namespace
}  // namespace ember::virtio::testing
