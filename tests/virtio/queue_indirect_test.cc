// Indirect tables (virtio 1.2, 2.7.5.3; shared/virtio.md, 4).
#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "tests/virtio/queue_fixture.h"

namespace ember::virtio::testing {
namespace {

using enum Breach;

// A queue of 8 with indirect tables negotiated, and a table to fill.
struct IndirectTest : QueueUnderTest {
  explicit IndirectTest(Features features = kAllQueueFeatures)
      : QueueUnderTest(8, features), table(ram.Allocate(16 * 64)), data(ram.Allocate(64)) {}

  void SetEntry(uint16_t index, const RawDescriptor& descriptor) {
    std::memcpy(ram.Bytes(table + uint64_t{16} * index, 16).data(), &descriptor, 16);
  }
  RawDescriptor Buffer(uint16_t flags = 0, uint16_t next = 0) const {
    return {ToInteger(data), 4, flags, next};
  }
  // Entries 0 to count - 1 as one chain.
  void FillTable(uint16_t count) {
    for (uint16_t i = 0; i < count; ++i) {
      const bool last = i + 1 == count;
      SetEntry(i, Buffer(last ? 0 : kNext, static_cast<uint16_t>(i + 1)));
    }
  }
  RawDescriptor Table(uint32_t len, uint16_t flags = kIndirect) const {
    return {ToInteger(table), len, flags, 0};
  }

  GuestAddress table;
  GuestAddress data;
};

TEST(QueueIndirectTest, FollowsATable) {
  IndirectTest test;
  const std::vector<Segment> segments{test.Readable(16), test.Writable(512), test.Writable(1)};
  const uint16_t head = test.ring.AddIndirect(segments, test.table);
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  EXPECT_EQ((**popped).head(), DescriptorIndex{head});
  EXPECT_EQ((**popped).readable_bytes(), 16U);
  EXPECT_EQ((**popped).writable_bytes(), 513U);
  std::move(**popped).Abandon();
}

TEST(QueueIndirectTest, FollowsDirectDescriptorsThenATable) {
  IndirectTest test;
  test.SetEntry(0, test.Buffer(kWrite));
  test.ring.SetDescriptor(0, test.Buffer(kNext, 1));
  test.ring.SetDescriptor(1, test.Table(16));
  test.ring.Offer(0);
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  EXPECT_EQ((**popped).readable_bytes(), 4U);
  EXPECT_EQ((**popped).writable_bytes(), 4U);
  std::move(**popped).Abandon();
}

TEST(QueueIndirectTest, KeepsTheOrderRuleFromTheRingIntoTheTable) {
  IndirectTest test;
  test.SetEntry(0, test.Buffer());
  test.ring.SetDescriptor(0, test.Buffer(kNext | kWrite, 1));
  test.ring.SetDescriptor(1, test.Table(16));
  test.ring.Offer(0);
  test.ring.Publish();
  EXPECT_EQ(test.PopBreach(), kReadableAfterWritable);
}

TEST(QueueIndirectTest, RefusesATableThatWasNotNegotiated) {
  IndirectTest test{Features{kEventIndexFeature}};
  test.FillTable(1);
  EXPECT_EQ(test.PopBreachOf(test.Table(16)), kIndirectNotNegotiated);
}

TEST(QueueIndirectTest, RefusesATableInATable) {
  IndirectTest test;
  test.SetEntry(0, test.Table(16));
  EXPECT_EQ(test.PopBreachOf(test.Table(16)), kIndirectNested);
}

TEST(QueueIndirectTest, RefusesATableFurtherDownInATable) {
  IndirectTest test;
  test.SetEntry(0, test.Buffer(kNext, 1));
  test.SetEntry(1, test.Table(16));
  EXPECT_EQ(test.PopBreachOf(test.Table(32)), kIndirectNested);
}

TEST(QueueIndirectTest, RefusesATableWithANextDescriptor) {
  IndirectTest test;
  test.FillTable(1);
  EXPECT_EQ(test.PopBreachOf(test.Table(16, kIndirect | kNext)), kIndirectWithNext);
}

TEST(QueueIndirectTest, IgnoresTheWriteFlagOfTheTableItself) {
  IndirectTest test;
  test.FillTable(1);
  ASSERT_EQ(test.PopBreachOf(test.Table(16, kIndirect | kWrite)), std::nullopt);
}

class QueueIndirectLengthTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(QueueIndirectLengthTest, MustBeAWholeNumberOfDescriptors) {
  IndirectTest test;
  test.FillTable(1);
  EXPECT_EQ(test.PopBreachOf(test.Table(GetParam())), kIndirectTableBadLength);
}

INSTANTIATE_TEST_SUITE_P(Lengths, QueueIndirectLengthTest,
                         ::testing::Values(0, 1, 15, 17, 31, 33, 0xffffffff),
                         ::testing::PrintToStringParamName());

TEST(QueueIndirectTest, TakesAChainOfExactlyTheQueuesSize) {
  IndirectTest test;
  test.FillTable(8);
  EXPECT_EQ(test.PopBreachOf(test.Table(8 * 16)), std::nullopt);
}

TEST(QueueIndirectTest, RefusesAChainLongerThanTheQueue) {
  IndirectTest test;
  test.FillTable(9);
  EXPECT_EQ(test.PopBreachOf(test.Table(9 * 16)), kChainTooLong);
}

TEST(QueueIndirectTest, CountsDirectAndIndirectDescriptorsTogether) {
  for (const uint16_t entries : {uint16_t{7}, uint16_t{8}}) {
    IndirectTest test;
    test.FillTable(entries);
    test.ring.SetDescriptor(0, test.Buffer(kNext, 1));
    test.ring.SetDescriptor(1, test.Table(uint32_t{16} * entries));
    test.ring.Offer(0);
    test.ring.Publish();
    EXPECT_EQ(test.PopBreach(), entries == 7 ? std::nullopt : std::optional(kChainTooLong));
  }
}

TEST(QueueIndirectTest, TakesATableWithEntriesToSpare) {
  IndirectTest test;
  test.FillTable(2);
  EXPECT_EQ(test.PopBreachOf(test.Table(64 * 16)), std::nullopt);
}

TEST(QueueIndirectTest, RefusesALoopInATable) {
  IndirectTest test;
  test.SetEntry(0, test.Buffer(kNext, 1));
  test.SetEntry(1, test.Buffer(kNext, 0));
  EXPECT_EQ(test.PopBreachOf(test.Table(32)), kChainTooLong);
}

TEST(QueueIndirectTest, RefusesANextIndexBeyondTheTableThoughTheQueueHasIt) {
  IndirectTest test;
  test.SetEntry(0, test.Buffer(kNext, 2));
  EXPECT_EQ(test.PopBreachOf(test.Table(32)), kNextOutOfRange);
}

TEST(QueueIndirectTest, TakesATableAtAnyAlignment) {
  IndirectTest test;
  test.table = test.table + 1;
  test.FillTable(2);
  EXPECT_EQ(test.PopBreachOf(test.Table(32)), std::nullopt);
}

TEST(QueueIndirectTest, TakesATableThatEndsWithRam) {
  IndirectTest test;
  test.table = GuestAddress{GuestRam::kLow.size_bytes - 16};
  test.FillTable(1);
  EXPECT_EQ(test.PopBreachOf(test.Table(16)), std::nullopt);
}

TEST(QueueIndirectTest, RefusesATableThatLeavesRam) {
  IndirectTest test;
  test.table = GuestAddress{GuestRam::kLow.size_bytes - 16};
  EXPECT_EQ(test.PopBreachOf(test.Table(32)), kIndirectTableNotInRam);
}

TEST(QueueIndirectTest, RefusesATableInAHole) {
  IndirectTest test;
  test.table = GuestRam::kLow.end();
  EXPECT_EQ(test.PopBreachOf(test.Table(16)), kIndirectTableNotInRam);
}

TEST(QueueIndirectTest, RefusesATableThatWrapsAroundTheAddressSpace) {
  IndirectTest test;
  test.table = GuestAddress{~uint64_t{15}};
  EXPECT_EQ(test.PopBreachOf(test.Table(64)), kIndirectTableNotInRam);
}

TEST(QueueIndirectTest, RefusesABufferOutsideRamInATable) {
  IndirectTest test;
  test.SetEntry(0, {ToInteger(GuestRam::kLow.end()), 1, 0, 0});
  EXPECT_EQ(test.PopBreachOf(test.Table(16)), kBufferNotInRam);
}

}  // namespace
}  // namespace ember::virtio::testing
