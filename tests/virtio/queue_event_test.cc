// Who interrupts and notifies whom, and when (virtio 1.2, 2.7.7, 2.7.9, 2.7.10).
#include <gtest/gtest.h>

#include <utility>

#include "tests/virtio/queue_fixture.h"

namespace ember::virtio::testing {
namespace {

// Serves `count` chains and publishes them. Whether the driver wants an interrupt.
bool ServeBurst(QueueUnderTest& test, int count) {
  for (int i = 0; i < count; ++i) test.ring.Add({Segment{}});
  test.ring.Publish();
  for (int i = 0; i < count; ++i) EXPECT_TRUE(test.Serve());
  const bool wanted = test.queue.Publish();
  while (test.ring.TakeUsed()) {
  }
  return wanted;
}

TEST(QueueFlagsTest, InterruptsUnlessTheDriverSaysNo) {
  QueueUnderTest test(8);
  EXPECT_TRUE(ServeBurst(test, 1));
  test.ring.SetAvailableFlags(1);
  EXPECT_FALSE(ServeBurst(test, 1));
  test.ring.SetAvailableFlags(0);
  EXPECT_TRUE(ServeBurst(test, 1));
}

TEST(QueueFlagsTest, LooksAtNoOtherFlag) {
  QueueUnderTest test(8);
  test.ring.SetAvailableFlags(0xfffe);
  EXPECT_TRUE(ServeBurst(test, 1));
}

TEST(QueueFlagsTest, IgnoresUsedEventWithoutTheFeature) {
  QueueUnderTest test(8);
  test.ring.SetUsedEvent(100);
  EXPECT_TRUE(ServeBurst(test, 1));
}

TEST(QueueFlagsTest, AsksForNoNotificationsAndForThemAgain) {
  QueueUnderTest test(8);
  test.queue.DisableNotifications();
  EXPECT_EQ(test.ring.used_flags(), 1);
  EXPECT_FALSE(test.queue.EnableNotifications());
  EXPECT_EQ(test.ring.used_flags(), 0);
}

TEST(QueueFlagsTest, FindsBuffersThatCameWhileNotificationsWereOff) {
  QueueUnderTest test(8);
  test.queue.DisableNotifications();
  test.ring.Add({test.Readable(1)});
  EXPECT_FALSE(test.ring.Publish());
  EXPECT_TRUE(test.queue.EnableNotifications());
}

TEST(QueueEventIndexTest, InterruptsWhenTheUsedIndexPassesTheEvent) {
  QueueUnderTest test(16, kAllQueueFeatures);
  test.ring.SetUsedEvent(2);
  EXPECT_FALSE(ServeBurst(test, 2));  // used entries 0 and 1
  EXPECT_TRUE(ServeBurst(test, 1));   // entry 2
  EXPECT_FALSE(ServeBurst(test, 1));
}

TEST(QueueEventIndexTest, InterruptsOnceForABurstThatPassesTheEvent) {
  QueueUnderTest test(16, kAllQueueFeatures);
  test.ring.SetUsedEvent(3);
  EXPECT_TRUE(ServeBurst(test, 10));
  EXPECT_FALSE(ServeBurst(test, 10));
}

TEST(QueueEventIndexTest, IgnoresTheFlags) {
  QueueUnderTest test(8, kAllQueueFeatures);
  test.ring.SetAvailableFlags(1);
  test.ring.SetUsedEvent(0);
  EXPECT_TRUE(ServeBurst(test, 1));
}

TEST(QueueEventIndexTest, LeavesTheUsedFlagsAlone) {
  QueueUnderTest test(8, kAllQueueFeatures);
  test.queue.DisableNotifications();
  EXPECT_EQ(test.ring.used_flags(), 0);
}

TEST(QueueEventIndexTest, RearmsAtTheNextBufferItHasNotTaken) {
  QueueUnderTest test(8, kAllQueueFeatures);
  ServeBurst(test, 3);
  EXPECT_EQ(test.ring.available_event(), 0);
  EXPECT_FALSE(test.queue.EnableNotifications());
  EXPECT_EQ(test.ring.available_event(), 3);
  test.ring.Add({test.Readable(1)});
  EXPECT_TRUE(test.ring.Publish());
}

TEST(QueueEventIndexTest, GetsNoNotificationWhileItIsNotRearmed) {
  QueueUnderTest test(8, kAllQueueFeatures);
  EXPECT_FALSE(test.queue.EnableNotifications());
  test.ring.Add({test.Readable(1)});
  EXPECT_TRUE(test.ring.Publish());
  test.queue.DisableNotifications();
  ASSERT_TRUE(test.Serve());
  test.ring.Add({test.Readable(1)});
  EXPECT_FALSE(test.ring.Publish());
  EXPECT_TRUE(test.queue.EnableNotifications());
}

// With every distance of event, before and after around the wrap, against the words of the
// specification: an interrupt if the used index came past the event.
TEST(QueueEventIndexTest, ComparesIndicesAcrossTheWrap) {
  for (const uint16_t start : {uint16_t{0}, uint16_t{65528}, uint16_t{65535}, uint16_t{32764}}) {
    for (int burst = 1; burst <= 8; ++burst) {
      for (int event = -9; event <= 9; ++event) {
        QueueUnderTest test(8, kAllQueueFeatures, false, start);
        test.ring.SetUsedEvent(static_cast<uint16_t>(start + event));
        const bool passed = event >= 0 && event < burst;
        EXPECT_EQ(ServeBurst(test, burst), passed) << start << ' ' << burst << ' ' << event;
      }
    }
  }
}

TEST(QueueEventIndexTest, WantsNoInterruptForNothing) {
  QueueUnderTest test(8, kAllQueueFeatures);
  for (int event = 0; event < 65536; event += 255) {
    test.ring.SetUsedEvent(static_cast<uint16_t>(event));
    ASSERT_FALSE(test.queue.Publish());
  }
}

}  // namespace
}  // namespace ember::virtio::testing
