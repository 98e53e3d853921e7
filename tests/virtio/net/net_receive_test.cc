// What a driver receives (shared/virtio.md, 5, 10 and 17, and the freeze of CVE-2020-16843).
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>
#include <vector>

#include "tests/virtio/net/net_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kBufferBytes = 1530;

NetBench::Options Mergeable(uint16_t queue_size = 64) {
  return {.driver = {.features = kNetMergeable, .queue_size = queue_size}};
}

TEST(NetReceiveTest, PutsAFrameBehindAHeaderOf12Bytes) {
  NetBench bench;
  bench.driver.Offer(1, kBufferBytes);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(1514)});
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(1514));
  EXPECT_EQ(packet->used_lens, std::vector<uint32_t>{1526});
  EXPECT_EQ(packet->header.num_buffers, 1);
  EXPECT_EQ(bench.metrics().rx_packets_count.value(), 1U);
  EXPECT_EQ(bench.metrics().rx_bytes_count.value(), 1514U);
  EXPECT_EQ(bench.metrics().rx_count.value(), 1U);
}

TEST(NetReceiveTest, HandsOnTheHostsHeader) {
  NetBench bench({.driver = {.features = kNetGuestCsum | kNetGuestTso4}});
  bench.driver.Offer(1, 65562);
  bench.driver.KickReceive();
  NetFrame frame{.bytes = FrameOf(9000)};
  frame.header.flags = 1;
  frame.header.gso_type = 1;
  frame.header.gso_size = 1448;
  frame.header.csum_start = 34;
  frame.header.csum_offset = 16;
  bench.backend.Put(frame);
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.flags, 1);
  EXPECT_EQ(packet->header.gso_type, 1);
  EXPECT_EQ(packet->header.gso_size, 1448);
  EXPECT_EQ(packet->header.csum_start, 34);
  EXPECT_EQ(packet->frame, FrameOf(9000));
}

TEST(NetReceiveTest, SplitsHeaderAndFrameOverAnyDescriptors) {
  for (uint32_t piece = 1; piece < 60; ++piece) {
    NetBench bench({.driver = {.queue_size = 128}});
    bench.driver.Offer(1, 120, piece);
    bench.driver.KickReceive();
    bench.backend.Put({.bytes = FrameOf(100)});
    bench.rig.Pump();
    const auto packet = bench.driver.Take();
    ASSERT_TRUE(packet) << piece;
    EXPECT_EQ(packet->frame, FrameOf(100)) << piece;
    EXPECT_EQ(packet->header.num_buffers, 1);
  }
}

TEST(NetReceiveTest, MergesBuffersForAFrameLargerThanOne) {
  NetBench bench(Mergeable());
  bench.driver.Offer(60, kBufferBytes);
  bench.driver.KickReceive();
  for (const size_t size : {14U, 1518U, 1519U, 3048U, 3049U, 65550U}) {
    bench.backend.Put({.bytes = FrameOf(size)});
    bench.rig.Pump();
    const auto packet = bench.driver.Take();
    ASSERT_TRUE(packet) << size;
    EXPECT_EQ(packet->frame, FrameOf(size));
    EXPECT_EQ(packet->header.num_buffers, (size + 12 + kBufferBytes - 1) / kBufferBytes) << size;
    EXPECT_EQ(std::accumulate(packet->used_lens.begin(), packet->used_lens.end(), size_t{0}),
              size + 12);
    bench.driver.Offer(packet->used_lens.size(), kBufferBytes);
    bench.driver.KickReceive();
  }
}

// Over buffers and frames of random sizes, in random pieces: every frame whole and in order.
TEST(NetReceiveTest, KeepsFramesWholeOverRandomBuffers) {
  NetBench bench(Mergeable(256));
  std::minstd_rand random(3);
  constexpr uint32_t kSizes[] = {12, 13, 64, 700, 1530, 4096, 20000};
  unsigned put = 0;
  for (unsigned taken = 0; taken < 400;) {
    while (bench.driver.receive_ring().free_descriptors() > 100) {
      const uint32_t size = kSizes[random() % std::size(kSizes)];
      bench.driver.Offer(1, size, std::max(1U, size / static_cast<uint32_t>(1 + random() % 4)));
    }
    bench.driver.KickReceive();
    for (unsigned i = 0; i < random() % 8 && put < 400; ++i, ++put) {
      bench.backend.Put({.bytes = FrameOf(14 + (put * 7919) % 9000, put)});
    }
    bench.rig.Pump();
    while (const auto packet = bench.driver.Take()) {
      ASSERT_EQ(packet->frame, FrameOf(14 + (taken * 7919) % 9000, taken)) << taken;
      ++taken;
    }
    ASSERT_FALSE(bench.needs_reset());
  }
  EXPECT_EQ(bench.metrics().rx_fails.value(), 0U);
}

TEST(NetReceiveTest, KeepsTheRestOfAFrameUntilThereAreBuffers) {
  NetBench bench(Mergeable());
  bench.driver.Offer(2, kBufferBytes);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(9000)});
  bench.rig.Pump();
  EXPECT_FALSE(bench.driver.Take());
  EXPECT_FALSE(bench.rig.PumpOnce());
  bench.driver.Offer(3, kBufferBytes);
  bench.driver.KickReceive();
  bench.rig.Pump();
  EXPECT_FALSE(bench.driver.Take());
  bench.driver.Offer(3, kBufferBytes);
  bench.driver.KickReceive();
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(9000));
  EXPECT_EQ(packet->used_lens.size(), 6U);
}

TEST(NetReceiveTest, DropsAFrameThatAWholeRingCannotHold) {
  NetBench bench(Mergeable(4));
  bench.driver.Offer(4, kBufferBytes);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(9000)});
  bench.backend.Put({.bytes = FrameOf(1000)});
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(1000));
  EXPECT_EQ(bench.metrics().rx_fails.value(), 1U);
}

TEST(NetReceiveTest, DropsAFrameTooLongForABufferThatCannotBeMerged) {
  NetBench bench;
  bench.driver.Offer(2, 200);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(189)});
  bench.backend.Put({.bytes = FrameOf(188)});
  bench.backend.Put({.bytes = FrameOf(60)});
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Take()->frame, FrameOf(188));
  EXPECT_EQ(bench.driver.Take()->frame, FrameOf(60));
  EXPECT_EQ(bench.metrics().rx_fails.value(), 1U);
}

TEST(NetReceiveTest, GivesBackBuffersTooSmallForAHeader) {
  NetBench bench(Mergeable());
  bench.driver.Offer(3, 11);
  bench.driver.Offer(1, kBufferBytes);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(60)});
  bench.rig.Pump();
  for (int i = 0; i < 3; ++i) {
    const auto empty = bench.driver.Take();
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->used_lens, std::vector<uint32_t>{0});
  }
  EXPECT_EQ(bench.driver.Take()->frame, FrameOf(60));
  EXPECT_FALSE(bench.needs_reset());
}

TEST(NetReceiveTest, DropsRuntsAndOversizedFramesOfTheHosts) {
  NetBench bench(Mergeable());
  bench.driver.Offer(60, kBufferBytes);
  bench.driver.KickReceive();
  for (const size_t size : {0U, 13U, 65551U, 90000U}) bench.backend.Put({.bytes = FrameOf(size)});
  bench.backend.Put({.bytes = FrameOf(14)});
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Take()->frame, FrameOf(14));
  EXPECT_EQ(bench.metrics().rx_fails.value(), 4U);
}

// Host's queue and driver's ring both full: it comes to rest, and goes on when there are buffers.
TEST(NetReceiveTest, ResumesAfterHostAndRingWereBothFull) {
  for (const uint64_t features :
       {uint64_t{0}, kNetMergeable, kEventIndexFeature64, kNetMergeable | kEventIndexFeature64}) {
    NetBench bench({.driver = {.features = features, .queue_size = 16}});
    unsigned put = 0;
    unsigned taken = 0;
    for (int round = 0; round < 50; ++round) {
      while (bench.backend.Put({.bytes = FrameOf(1514, put)})) ++put;
      bench.rig.Pump();
      while (bench.backend.Put({.bytes = FrameOf(1514, put)})) ++put;
      ASSERT_FALSE(bench.rig.PumpOnce()) << "waits without a buffer";
      bench.driver.Offer(16, kBufferBytes);
      bench.driver.KickReceive();
      bench.rig.Pump();
      for (int i = 0; i < 16; ++i) {
        const auto packet = bench.driver.Take();
        ASSERT_TRUE(packet) << round;
        ASSERT_EQ(packet->frame, FrameOf(1514, taken));
        ++taken;
      }
    }
    EXPECT_GE(bench.metrics().no_rx_avail_buffer.value(), 50U);
  }
}

TEST(NetReceiveTest, WaitsAWhileAfterAFailureOfTheHosts) {
  NetBench bench;
  bench.driver.Offer(4, kBufferBytes);
  bench.driver.KickReceive();
  bench.rig.Pump();
  bench.backend.receive_outcomes = {ReceiveOutcome::kFailed};
  bench.backend.Put({.bytes = FrameOf(60)});
  bench.rig.Pump();
  EXPECT_FALSE(bench.driver.Take());
  EXPECT_FALSE(bench.rig.PumpOnce());
  EXPECT_EQ(bench.metrics().tap_read_fails.value(), 1U);
  bench.driver.KickReceive();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Take()->frame, FrameOf(60));
}

TEST(NetReceiveTest, DeliversWhatTheBackEndHoldsAfterATransmission) {
  NetBench bench;
  bench.driver.Offer(1, kBufferBytes);
  bench.driver.KickReceive();
  bench.rig.Pump();
  const int before = bench.backend.receives;
  bench.backend.holds_frame = true;
  bench.driver.Send(FrameOf(60));
  EXPECT_GT(bench.backend.receives, before);
}

// Bytes 0 to 9011 of three buffers, wherever those are: their pages are dirty, and as few others as
// the ring's.
TEST(NetReceiveTest, MarksWhatItWroteDirty) {
  NetBench bench({.driver = {.features = kNetMergeable}, .track_dirty_pages = true});
  DirtyPages& dirty = *bench.rig.ram.memory().dirty_pages();
  bench.driver.Offer(8, 4096);
  bench.driver.KickReceive();
  bench.rig.Pump();
  dirty.Take(0);
  bench.backend.Put({.bytes = FrameOf(9000)});
  bench.rig.Pump();
  int pages = 0;
  for (const uint64_t word : dirty.Take(0)) pages += std::popcount(word);
  EXPECT_EQ(bench.driver.Take()->used_lens, (std::vector<uint32_t>{4096, 4096, 820}));
  EXPECT_GE(pages, 3 + 1);
  EXPECT_LE(pages, 5 + 2);
}

TEST(NetReceiveTest, MarksDirtyWhatADroppedFrameWrote) {
  NetBench bench({.track_dirty_pages = true});
  DirtyPages& dirty = *bench.rig.ram.memory().dirty_pages();
  bench.driver.Offer(1, 60);
  bench.driver.KickReceive();
  bench.rig.Pump();
  dirty.Take(0);
  bench.backend.Put({.bytes = FrameOf(1000)});
  bench.rig.Pump();
  int pages = 0;
  for (const uint64_t word : dirty.Take(0)) pages += std::popcount(word);
  EXPECT_GE(pages, 1);
  EXPECT_EQ(bench.metrics().rx_fails.value(), 1U);
}

TEST(NetReceiveTest, InterruptsOncePerBurst) {
  NetBench bench;
  bench.driver.Offer(20, kBufferBytes);
  for (unsigned i = 0; i < 20; ++i) bench.backend.Put({.bytes = FrameOf(60, i)});
  bench.driver.KickReceive();
  bench.rig.Pump();
  EXPECT_EQ(bench.rig.line.count(), 1);
}

// So that it works on the first while the last still come.
TEST(NetReceiveTest, ShowsALongBurstInGroups) {
  NetBench bench({.driver = {.queue_size = 256}});
  bench.driver.Offer(200, kBufferBytes);
  for (unsigned i = 0; i < 200; ++i) ASSERT_TRUE(bench.backend.Put({.bytes = FrameOf(60, i)}));
  bench.driver.KickReceive();
  bench.rig.Pump();
  EXPECT_EQ(bench.rig.line.count(), 4);
  for (unsigned i = 0; i < 200; ++i) ASSERT_EQ(bench.driver.Take()->frame, FrameOf(60, i));
}

}  // namespace
}  // namespace ember::virtio::testing
