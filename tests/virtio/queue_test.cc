#include "virtio/queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/virtio/queue_fixture.h"

namespace ember::virtio::testing {
namespace {

using enum Breach;

TEST(QueueTest, PopsNothingFromAnEmptyRing) {
  QueueUnderTest test(8);
  const Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped.has_value());
  EXPECT_FALSE(popped->has_value());
}

TEST(QueueTest, PopsAChainWithItsBuffersInPlace) {
  QueueUnderTest test(8);
  const Segment header = test.Readable(16), data = test.Writable(512), status = test.Writable(1);
  const uint16_t head = test.ring.Add({header, data, status});
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  DescriptorChain& chain = **popped;
  EXPECT_EQ(chain.head(), DescriptorIndex{head});
  EXPECT_EQ(chain.readable_bytes(), 16U);
  EXPECT_EQ(chain.writable_bytes(), 513U);
  ASSERT_EQ(chain.readable().pieces().size(), 1U);
  ASSERT_EQ(chain.writable().pieces().size(), 2U);
  EXPECT_EQ(chain.readable().pieces()[0].iov_base, test.ram.Bytes(header.at, 16).data());
  EXPECT_EQ(chain.writable().pieces()[0].iov_base, test.ram.Bytes(data.at, 512).data());
  EXPECT_EQ(chain.writable().pieces()[1].iov_base, test.ram.Bytes(status.at, 1).data());
  EXPECT_EQ(chain.writable().pieces()[0].iov_len, 512U);
  std::move(chain).Abandon();
}

TEST(QueueTest, PopsInTheOrderOfTheAvailableRing) {
  QueueUnderTest test(8);
  std::vector<uint16_t> heads;
  for (int i = 0; i < 8; ++i) heads.push_back(test.ring.Add({test.Readable(1)}));
  test.ring.Publish();
  for (const uint16_t head : heads) {
    Queue::PopResult popped = test.queue.Pop(test.storage);
    ASSERT_TRUE(popped && *popped);
    EXPECT_EQ((**popped).head(), DescriptorIndex{head});
    test.queue.Complete(std::move(**popped), 0);
  }
  EXPECT_FALSE(test.Serve());
}

TEST(QueueTest, DoesNotPopWhatIsNotPublished) {
  QueueUnderTest test(8);
  test.ring.Add({test.Readable(1)});
  EXPECT_FALSE(test.Serve());
  test.ring.Publish();
  EXPECT_TRUE(test.Serve());
}

TEST(QueueTest, ShowsUsedChainsOnlyWhenPublished) {
  QueueUnderTest test(8);
  const uint16_t head = test.ring.Add({test.Writable(100)});
  test.ring.Publish();
  ASSERT_TRUE(test.Serve(42));
  EXPECT_FALSE(test.ring.TakeUsed());
  EXPECT_TRUE(test.queue.Publish());
  const auto used = test.ring.TakeUsed();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->id, head);
  EXPECT_EQ(used->len, 42U);
}

TEST(QueueTest, FindsAChainAgainThatWasPutBack) {
  QueueUnderTest test(2);
  for (int round = 0; round < 5; ++round) {
    const uint16_t head = test.ring.Add({test.Readable(7)});
    test.ring.Publish();
    for (int i = 0; i < 3; ++i) {
      Queue::PopResult popped = test.queue.Pop(test.storage);
      ASSERT_TRUE(popped && *popped);
      EXPECT_EQ((**popped).head(), DescriptorIndex{head});
      EXPECT_EQ((**popped).readable_bytes(), 7U);
      test.queue.PutBack(std::move(**popped));
      EXPECT_EQ(test.queue.in_flight(), 0U);
    }
    ASSERT_TRUE(test.Serve());
    EXPECT_FALSE(test.queue.Publish() && !test.ring.TakeUsed());
  }
}

TEST(QueueTest, PublishesABurstWithOneStepOfTheIndex) {
  QueueUnderTest test(8);
  for (int i = 0; i < 5; ++i) test.ring.Add({test.Writable(1)});
  test.ring.Publish();
  while (test.Serve(1)) EXPECT_EQ(test.ring.used_index(), 0);
  EXPECT_TRUE(test.queue.Publish());
  EXPECT_EQ(test.ring.used_index(), 5);
  EXPECT_FALSE(test.queue.Publish());
}

TEST(QueueTest, CompletesOutOfOrder) {
  QueueUnderTest test(4);
  ChainStorage second_storage(QueueSize{4});
  const uint16_t first_head = test.ring.Add({test.Writable(8)});
  const uint16_t second_head = test.ring.Add({test.Writable(8)});
  test.ring.Publish();
  Queue::PopResult first = test.queue.Pop(test.storage);
  Queue::PopResult second = test.queue.Pop(second_storage);
  ASSERT_TRUE(first && *first && second && *second);
  EXPECT_EQ(test.queue.in_flight(), 2);
  test.queue.Complete(std::move(**second), 2);
  test.queue.Complete(std::move(**first), 1);
  EXPECT_EQ(test.queue.in_flight(), 0);
  EXPECT_TRUE(test.queue.Publish());
  EXPECT_EQ(test.ring.TakeUsed()->id, second_head);
  EXPECT_EQ(test.ring.TakeUsed()->id, first_head);
}

TEST(QueueTest, GoesOnWhereItsStateLeftOff) {
  QueueUnderTest test(4);
  for (int i = 0; i < 3; ++i) test.ring.Add({test.Writable(1)});
  test.ring.Publish();
  ASSERT_TRUE(test.Serve() && test.Serve());
  ASSERT_TRUE(test.queue.Publish());
  Queue restored = *Queue::Create(test.ram.memory(), ConfigOf(test.ring.place()),
                                  {.features = {}, .state = test.queue.state()});
  Queue::PopResult popped = restored.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  restored.Complete(std::move(**popped), 0);
  EXPECT_TRUE(restored.Publish());
  EXPECT_EQ(test.ring.used_index(), 3);
}

TEST(QueueTest, RefusesAStateWithMoreInFlightThanItsSize) {
  const QueueUnderTest test(4);
  const auto create = [&](uint16_t next_available) {
    return Queue::Create(test.ram.memory(), ConfigOf(test.ring.place()),
                         {.features = {}, .state = {.next_available = next_available}});
  };
  EXPECT_TRUE(create(4).has_value());
  EXPECT_FALSE(create(5).has_value());
}

// Chains around each size of queue.
class QueueSizeTest : public ::testing::TestWithParam<uint16_t> {};

TEST_P(QueueSizeTest, AcceptsAChainOfExactlyItsSize) {
  QueueUnderTest test(GetParam());
  const std::vector<Segment> segments(GetParam(), test.Readable(4));
  test.ring.Add(segments);
  test.ring.Publish();
  EXPECT_EQ(test.PopBreach(), std::nullopt);
}

TEST_P(QueueSizeTest, RefusesALoopOverAllItsDescriptors) {
  QueueUnderTest test(GetParam());
  const Segment data = test.Readable(4);
  for (uint16_t i = 0; i < GetParam(); ++i) {
    const auto next = static_cast<uint16_t>((i + 1) % GetParam());
    test.ring.SetDescriptor(i, {ToInteger(data.at), data.len, kNext, next});
  }
  test.ring.Offer(0);
  test.ring.Publish();
  EXPECT_EQ(test.PopBreach(), kChainTooLong);
}

TEST_P(QueueSizeTest, RefusesADescriptorThatIsItsOwnNext) {
  QueueUnderTest test(GetParam());
  EXPECT_EQ(test.PopBreachOf({ToInteger(test.ram.Allocate(4)), 4, kNext, 0}), kChainTooLong);
}

TEST_P(QueueSizeTest, RefusesALoopOfEmptyDescriptors) {
  QueueUnderTest test(GetParam());
  EXPECT_EQ(test.PopBreachOf({0, 0, kNext, 0}), kChainTooLong);
}

TEST_P(QueueSizeTest, AcceptsEveryHeadAndRefusesThoseBeyond) {
  for (const int beyond : {0, 1, 65535 - GetParam()}) {
    QueueUnderTest test(GetParam());
    test.ring.Offer(static_cast<uint16_t>(GetParam() + beyond));
    test.ring.Publish();
    EXPECT_EQ(test.PopBreach(), kHeadOutOfRange);
  }
  QueueUnderTest test(GetParam());
  test.ring.Offer(static_cast<uint16_t>(GetParam() - 1));
  test.ring.Publish();
  EXPECT_EQ(test.PopBreach(), std::nullopt);
}

TEST_P(QueueSizeTest, RefusesANextIndexBeyondTheTable) {
  for (const int beyond : {0, 1, 65535 - GetParam()}) {
    QueueUnderTest test(GetParam());
    const auto next = static_cast<uint16_t>(GetParam() + beyond);
    EXPECT_EQ(test.PopBreachOf({ToInteger(test.ram.Allocate(4)), 4, kNext, next}), kNextOutOfRange);
  }
}

TEST_P(QueueSizeTest, RefusesEveryJumpOfTheIndexOverItsSize) {
  QueueUnderTest test(GetParam());
  for (uint32_t jump = 1; jump <= 65535; ++jump) {
    // A fresh queue over the same rings.
    Queue queue = *Queue::Create(test.ram.memory(), ConfigOf(test.ring.place()), {});
    test.ring.SetAvailableIndex(static_cast<uint16_t>(jump));
    Queue::PopResult popped = queue.Pop(test.storage);
    ASSERT_EQ(popped.has_value(), jump <= GetParam()) << jump;
    if (popped && *popped) std::move(**popped).Abandon();
    if (!popped) {
      ASSERT_EQ(popped.error(), kAvailableIndexJump);
    }
  }
}

TEST_P(QueueSizeTest, WrapsItsIndicesPast65535) {
  QueueUnderTest test(GetParam(), {}, false, 65530);
  const Segment data = test.Writable(4);
  for (int i = 0; i < 3 * GetParam() + 12; ++i) {
    const uint16_t head = test.ring.Add({data});
    test.ring.Publish();
    ASSERT_TRUE(test.Serve(4));
    ASSERT_TRUE(test.queue.Publish());
    const auto used = test.ring.TakeUsed();
    ASSERT_TRUE(used);
    ASSERT_EQ(used->id, head);
  }
  EXPECT_EQ(test.queue.state().next_used, static_cast<uint16_t>(65530 + 3 * GetParam() + 12));
}

INSTANTIATE_TEST_SUITE_P(Sizes, QueueSizeTest, ::testing::Values(1, 2, 16, 256),
                         ::testing::PrintToStringParamName());

TEST(QueueJumpTest, CountsChainsInFlightAgainstTheDriver) {
  QueueUnderTest test(4);
  ChainStorage second_storage(QueueSize{4});
  for (int i = 0; i < 4; ++i) test.ring.Add({test.Readable(1)});
  test.ring.Publish();
  Queue::PopResult first = test.queue.Pop(test.storage);
  Queue::PopResult second = test.queue.Pop(second_storage);
  // Two in flight and two not taken yet: not one more fits.
  test.ring.SetAvailableIndex(5);
  ChainStorage third_storage(QueueSize{4});
  for (int i = 0; i < 2; ++i) {
    Queue::PopResult popped = test.queue.Pop(third_storage);
    ASSERT_TRUE(popped && *popped);
    std::move(**popped).Abandon();
  }
  const Queue::PopResult beyond = test.queue.Pop(third_storage);
  ASSERT_FALSE(beyond.has_value());
  EXPECT_EQ(beyond.error(), kAvailableIndexJump);
  std::move(**first).Abandon();
  std::move(**second).Abandon();
}

TEST(QueueJumpTest, RefusesAnIndexThatGoesBack) {
  QueueUnderTest test(8);
  for (int i = 0; i < 4; ++i) test.ring.Add({test.Readable(1)});
  test.ring.Publish();
  while (test.Serve()) {
  }
  test.ring.SetAvailableIndex(3);
  EXPECT_EQ(test.PopBreach(), kAvailableIndexJump);
}

TEST(QueueJumpTest, FindsTheSameBreachEachTime) {
  QueueUnderTest test(8);
  test.ring.SetAvailableIndex(9);
  EXPECT_EQ(test.PopBreach(), kAvailableIndexJump);
  EXPECT_EQ(test.PopBreach(), kAvailableIndexJump);
  EXPECT_EQ(test.queue.in_flight(), 0);
}

TEST(QueueChainTest, RefusesAReadableBufferAfterAWritableOne) {
  QueueUnderTest test(8);
  test.ring.Add({test.Readable(4), test.Writable(4), test.Readable(4)});
  test.ring.Publish();
  EXPECT_EQ(test.PopBreach(), kReadableAfterWritable);
}

TEST(QueueChainTest, RefusesAnEmptyReadableBufferAfterAWritableOne) {
  QueueUnderTest test(8);
  test.ring.Add({test.Writable(4), Segment{}});
  test.ring.Publish();
  EXPECT_EQ(test.PopBreach(), kReadableAfterWritable);
}

TEST(QueueChainTest, SkipsEmptyBuffersWhereverTheyPoint) {
  QueueUnderTest test(8);
  const Segment nowhere{GuestAddress{~uint64_t{0}}, 0, true};
  test.ring.Add({test.Readable(4), nowhere, test.Writable(4), nowhere});
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  EXPECT_EQ((**popped).writable().pieces().size(), 1U);
  EXPECT_EQ((**popped).writable_bytes(), 4U);
  std::move(**popped).Abandon();
}

TEST(QueueChainTest, PopsAChainWithNoBytesAtAll) {
  QueueUnderTest test(8);
  test.ring.Add({Segment{}});
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  EXPECT_TRUE((**popped).readable().empty());
  EXPECT_TRUE((**popped).writable().empty());
  std::move(**popped).Abandon();
}

TEST(QueueChainTest, IgnoresDescriptorFlagsItDoesNotKnow) {
  QueueUnderTest test(8);
  EXPECT_EQ(test.PopBreachOf({ToInteger(test.ram.Allocate(4)), 4, 0xfff8, 0}), std::nullopt);
}

TEST(QueueChainTest, IgnoresNextWhereTheFlagIsClear) {
  QueueUnderTest test(8);
  EXPECT_EQ(test.PopBreachOf({ToInteger(test.ram.Allocate(4)), 4, 0, 0xffff}), std::nullopt);
}

TEST(QueueChainTest, SaturatesTheUsedLength) {
  QueueUnderTest test(8);
  test.ring.Add({test.Writable(4)});
  test.ring.Publish();
  ASSERT_TRUE(test.Serve(uint64_t{1} << 32));
  EXPECT_TRUE(test.queue.Publish());
  EXPECT_EQ(test.ring.TakeUsed()->len, 0xffffffffU);
}

TEST(QueueDeathTest, AbortsWhereADeviceLosesAChain) {
  QueueUnderTest test(8);
  test.ring.Add({test.Readable(4)});
  test.ring.Publish();
  EXPECT_DEATH({ const Queue::PopResult lost = test.queue.Pop(test.storage); }, "storage_");
}

TEST(QueueDeathTest, AbortsWhereTwoChainsShareAStorage) {
  QueueUnderTest test(8);
  test.ring.Add({test.Readable(4)});
  test.ring.Add({test.Readable(4)});
  test.ring.Publish();
  Queue::PopResult first = test.queue.Pop(test.storage);
  EXPECT_DEATH({ const Queue::PopResult second = test.queue.Pop(test.storage); }, "in_use_");
  std::move(**first).Abandon();
}

}  // namespace
}  // namespace ember::virtio::testing
