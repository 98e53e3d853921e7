// What a driver sends (shared/virtio.md, 5, 10 and 17).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tests/virtio/net/net_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kTransmitFeatures =
    kNetCsum | kNetHostTso4 | kNetHostTso6 | kNetHostEcn | kNetHostUfo;

NetBench::Options WithOffloads() { return {.driver = {.features = kTransmitFeatures}}; }

TEST(NetTransmitTest, SendsAFrameAsItIs) {
  NetBench bench;
  const auto frame = FrameOf(1514);
  bench.driver.Send(frame);
  const auto sent = bench.backend.Take();
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->bytes, frame);
  EXPECT_EQ(sent->header.flags, 0);
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
  EXPECT_EQ(bench.metrics().tx_packets_count.value(), 1U);
  EXPECT_EQ(bench.metrics().tx_count.value(), 1U);
  EXPECT_EQ(bench.metrics().tx_bytes_count.value(), 1514U);
}

TEST(NetTransmitTest, TakesAHeaderSplitOverAnyDescriptors) {
  NetBench bench;
  const auto frame = FrameOf(100);
  for (uint32_t first = 1; first < 40; ++first) {
    const std::array<uint32_t, 2> lens{first, 7};
    bench.driver.Put({}, frame, lens);
    const std::vector<uint32_t> bytes(14, 1);
    bench.driver.Put({}, frame, bytes);
    bench.driver.KickTransmit();
    bench.rig.Pump();
    for (int i = 0; i < 2; ++i) {
      const auto sent = bench.backend.Take();
      ASSERT_TRUE(sent) << first;
      EXPECT_EQ(sent->bytes, frame) << first;
    }
    EXPECT_EQ(bench.driver.Reclaim(), 2U);
  }
}

TEST(NetTransmitTest, GivesBuffersBackWithNothingWritten) {
  NetBench bench;
  bench.driver.Send(FrameOf(60));
  EXPECT_EQ(bench.driver.transmit_ring().used_entry(0).len, 0U);
}

TEST(NetTransmitTest, InterruptsOncePerBurst) {
  NetBench bench;
  for (unsigned i = 0; i < 10; ++i) bench.driver.Put({}, FrameOf(60, i));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Reclaim(), 10U);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(NetTransmitTest, KeepsFramesInOrder) {
  NetBench bench;
  for (unsigned i = 0; i < 30; ++i) bench.driver.Put({}, FrameOf(60 + i, i));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  for (unsigned i = 0; i < 30; ++i) EXPECT_EQ(bench.backend.Take()->bytes, FrameOf(60 + i, i));
}

TEST(NetTransmitTest, DropsRuntsAndHeadersOutOfNothing) {
  NetBench bench;
  for (size_t size = 0; size < 14; ++size) bench.driver.Send(FrameOf(size));
  const GuestAddress at = bench.rig.ram.Allocate(16);
  for (uint32_t len = 1; len < 12; ++len) {
    bench.driver.transmit_ring().Add({Segment{at, len, false}});
    bench.driver.KickTransmit();
    bench.rig.Pump();
  }
  EXPECT_FALSE(bench.backend.Take());
  EXPECT_EQ(bench.driver.Reclaim(), 25U);
  EXPECT_EQ(bench.metrics().tx_malformed_frames.value(), 25U);
  EXPECT_FALSE(bench.needs_reset());
  bench.driver.Send(FrameOf(14));
  EXPECT_TRUE(bench.backend.Take());
}

TEST(NetTransmitTest, DropsAChainThatIsOnlyToWrite) {
  NetBench bench;
  bench.driver.transmit_ring().Add({Segment{bench.rig.ram.Allocate(2048), 2048, true}});
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
  EXPECT_EQ(bench.metrics().tx_malformed_frames.value(), 1U);
}

TEST(NetTransmitTest, SendsTheLargestFrameAndDropsLargerOnes) {
  NetBench bench;
  bench.driver.Send(FrameOf(65550));
  EXPECT_EQ(bench.backend.Take()->bytes.size(), 65550U);
  for (const size_t size : {65551U, 70000U, 200000U}) bench.driver.Send(FrameOf(size));
  EXPECT_FALSE(bench.backend.Take());
  EXPECT_EQ(bench.metrics().tx_malformed_frames.value(), 3U);
  EXPECT_EQ(bench.driver.Reclaim(), 4U);
}

TEST(NetTransmitTest, HandsOnASoundRequestForAChecksum) {
  NetBench bench(WithOffloads());
  bench.driver.Send({.flags = 1, .csum_start = 34, .csum_offset = 16}, FrameOf(60));
  const auto sent = bench.backend.Take();
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->header.flags, 1);
  EXPECT_EQ(sent->header.csum_start, 34);
  EXPECT_EQ(sent->header.csum_offset, 16);
}

TEST(NetTransmitTest, HandsOnSegmentationOfEachKind) {
  NetBench bench(WithOffloads());
  for (const uint8_t type : std::initializer_list<uint8_t>{0x01, 0x81, 0x03, 0x04, 0x84}) {
    const PacketHeader header{.flags = 1,
                              .gso_type = type,
                              .hdr_len = 54,
                              .gso_size = 1460,
                              .csum_start = 34,
                              .csum_offset = 16};
    bench.driver.Send(header, FrameOf(9000));
    const auto sent = bench.backend.Take();
    ASSERT_TRUE(sent) << int{type};
    EXPECT_EQ(sent->header.gso_type, type);
    EXPECT_EQ(sent->header.gso_size, 1460);
    EXPECT_EQ(sent->header.hdr_len, 54);
  }
}

// What is wrong with a header, for a frame of 100 bytes.
struct WrongHeader {
  const char* what;
  PacketHeader header;
};
const WrongHeader kWrongHeaders[] = {
    {"ChecksumPastTheEnd", {.flags = 1, .csum_start = 90, .csum_offset = 9}},
    {"ChecksumStartPastTheEnd", {.flags = 1, .csum_start = 100, .csum_offset = 0}},
    {"ChecksumSumWraps", {.flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff}},
    {"SegmentsOfNothing",
     {.flags = 1, .gso_type = 1, .hdr_len = 54, .csum_start = 34, .csum_offset = 16}},
    {"SegmentsWithoutChecksum", {.gso_type = 1, .hdr_len = 54, .gso_size = 1460}},
    {"HeadersLongerThanTheFrame",
     {.flags = 1,
      .gso_type = 1,
      .hdr_len = 101,
      .gso_size = 8,
      .csum_start = 34,
      .csum_offset = 16}},
    {"UnknownSegmentation",
     {.flags = 1,
      .gso_type = 2,
      .hdr_len = 54,
      .gso_size = 8,
      .csum_start = 34,
      .csum_offset = 16}},
    {"SegmentationNotOffered",
     {.flags = 1,
      .gso_type = 5,
      .hdr_len = 54,
      .gso_size = 8,
      .csum_start = 34,
      .csum_offset = 16}},
    {"CongestionOfNothing",
     {.flags = 1,
      .gso_type = 0x80,
      .hdr_len = 54,
      .gso_size = 8,
      .csum_start = 34,
      .csum_offset = 16}},
};

class NetWrongHeaderTest : public ::testing::TestWithParam<WrongHeader> {};

TEST_P(NetWrongHeaderTest, IsDroppedAndCounted) {
  NetBench bench(WithOffloads());
  bench.driver.Send(GetParam().header, FrameOf(100));
  EXPECT_FALSE(bench.backend.Take());
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
  EXPECT_EQ(bench.metrics().tx_malformed_frames.value(), 1U);
  EXPECT_FALSE(bench.needs_reset());
}
INSTANTIATE_TEST_SUITE_P(Headers, NetWrongHeaderTest, ::testing::ValuesIn(kWrongHeaders),
                         [](const auto& test) { return std::string(test.param.what); });

TEST(NetTransmitTest, TakesAChecksumInTheLastTwoBytes) {
  NetBench bench(WithOffloads());
  bench.driver.Send({.flags = 1, .csum_start = 90, .csum_offset = 8}, FrameOf(100));
  EXPECT_TRUE(bench.backend.Take());
}

TEST(NetTransmitTest, RefusesOffloadsThatWereNotNegotiated) {
  NetBench none;
  none.driver.Send({.flags = 1, .csum_start = 34, .csum_offset = 16}, FrameOf(100));
  EXPECT_FALSE(none.backend.Take());
  NetBench checksum({.driver = {.features = kNetCsum}});
  checksum.driver.Send({.flags = 1,
                        .gso_type = 1,
                        .hdr_len = 54,
                        .gso_size = 8,
                        .csum_start = 34,
                        .csum_offset = 16},
                       FrameOf(100));
  EXPECT_FALSE(checksum.backend.Take());
  EXPECT_EQ(checksum.metrics().tx_malformed_frames.value(), 1U);
}

TEST(NetTransmitTest, IgnoresFlagsThatAreNotTheDrivers) {
  NetBench bench;
  bench.driver.Send({.flags = 0xfe, .csum_start = 99, .num_buffers = 7}, FrameOf(60));
  const auto sent = bench.backend.Take();
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->header.flags, 0);
  EXPECT_EQ(sent->header.csum_start, 0);
  EXPECT_EQ(sent->header.num_buffers, 0);
}

TEST(NetTransmitTest, CountsFramesFromForeignAddresses) {
  NetBench bench;
  auto foreign = FrameOf(60);
  foreign[6] ^= std::byte{2};
  bench.driver.Send(FrameOf(60));
  bench.driver.Send(foreign);
  const std::vector<uint32_t> split{12, 3, 4, 5};
  bench.driver.Put({}, foreign, split);
  bench.driver.Put({}, FrameOf(60), split);
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.metrics().tx_spoofed_mac_count.value(), 2U);
  EXPECT_EQ(bench.metrics().tx_packets_count.value(), 4U);
}

TEST(NetTransmitTest, GoesOnAfterFramesThatTheHostRefuses) {
  NetBench bench;
  bench.backend.send_outcomes = {SendOutcome::kRefused, SendOutcome::kRefused};
  for (unsigned i = 0; i < 3; ++i) bench.driver.Put({}, FrameOf(60, i));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.backend.Take()->bytes, FrameOf(60, 2));
  EXPECT_EQ(bench.driver.Reclaim(), 3U);
  EXPECT_EQ(bench.metrics().tx_fails.value(), 2U);
  EXPECT_EQ(bench.metrics().tap_write_fails.value(), 2U);
}

// Fills the host, which must stop the device without a busy loop; room lets it go on.
TEST(NetTransmitTest, WaitsForAFullHostAndLosesNothing) {
  NetBench bench;
  constexpr unsigned kFrames = 2000;
  unsigned put = 0;
  size_t reclaimed = 0;
  unsigned taken = 0;
  bool was_full = false;
  while (taken < kFrames) {
    while (put < kFrames && bench.driver.transmit_ring().free_descriptors() > 0) {
      bench.driver.Put({}, FrameOf(1514, put++));
    }
    bench.driver.KickTransmit();
    bench.rig.Pump();  // comes to rest
    const size_t before = reclaimed;
    reclaimed += bench.driver.Reclaim();
    if (reclaimed == before) {
      was_full = true;
      ASSERT_FALSE(bench.rig.PumpOnce());
    }
    for (int i = 0; i < 50; ++i) {
      const auto sent = bench.backend.Take();
      if (!sent) break;
      ASSERT_EQ(sent->bytes, FrameOf(1514, taken)) << taken;
      ++taken;
    }
  }
  EXPECT_TRUE(was_full);
}

TEST(NetTransmitTest, DoesABoundedAmountOfWorkInOneWakeUp) {
  NetBench bench({.driver = {.queue_size = 256}});
  // A flood of malformed frames, which cost the host nothing.
  uint64_t offered = 0;
  for (int round = 0; round < 20; ++round) {
    while (bench.driver.transmit_ring().free_descriptors() > 0) {
      bench.driver.Put({}, FrameOf(3));
      ++offered;
    }
    bench.driver.KickTransmit();
    const uint64_t before = bench.metrics().tx_malformed_frames.value();
    bench.rig.PumpOnce();
    EXPECT_LE(bench.metrics().tx_malformed_frames.value() - before, 513U);
    bench.driver.Reclaim();
  }
  bench.rig.Pump();
  EXPECT_EQ(bench.metrics().tx_malformed_frames.value(), offered);
}

TEST(NetTransmitTest, EndsATurnWithLargeFramesLeft) {
  NetBench bench({.driver = {.queue_size = 256}});
  bench.backend.send_outcomes.assign(100, SendOutcome::kSent);
  const std::vector<std::byte> large = FrameOf(65550);
  for (int i = 0; i < 100; ++i) {
    bench.driver.Put({}, std::span(large).first(i % 2 == 0 ? large.size() : large.size() - 1));
  }
  bench.driver.KickTransmit();
  bench.rig.PumpOnce();
  EXPECT_LT(bench.backend.sends, 100);
  EXPECT_EQ(bench.metrics().tx_remaining_reqs_count.value(), 1U);
  bench.rig.Pump();
  EXPECT_EQ(bench.backend.sends, 100);
}

TEST(NetTransmitTest, CountsNotificationsForNothing) {
  NetBench bench;
  bench.rig.Pump();
  const uint64_t before = bench.metrics().no_tx_avail_buffer.value();
  bench.rig.driver.Notify(1);
  bench.rig.Pump();
  EXPECT_EQ(bench.metrics().no_tx_avail_buffer.value(), before + 1);
}

}  // namespace
}  // namespace ember::virtio::testing
