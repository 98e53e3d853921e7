// Where buffers may lie (shared/virtio.md, 3 and 9), and what is marked dirty.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/queue_fixture.h"

namespace ember::virtio::testing {
namespace {

using enum Breach;

struct Case {
  std::string name;
  uint64_t addr;
  uint32_t len;
  bool in_ram;
};

void PrintTo(const Case& test_case, std::ostream* out) { *out << test_case.name; }

// Every (address, length) around the ends of a region, one byte to either side.
std::vector<Case> AroundRegionEnds() {
  std::vector<Case> cases;
  const std::pair<const char*, GuestRange> regions[] = {{"Low", GuestRam::kLow},
                                                        {"High", GuestRam::kHigh}};
  for (const auto& region : regions) {
    const std::string name = region.first;
    const GuestRange range = region.second;
    const uint64_t start = ToInteger(range.start), end = ToInteger(range.end());
    const auto add = [&](const char* what, uint64_t addr, uint64_t len) {
      const bool in_ram = addr >= start && addr <= end && len <= end - addr;
      cases.push_back({name + what, addr, static_cast<uint32_t>(len), in_ram});
    };
    add("First", start, 1);
    add("Whole", start, range.size_bytes);
    add("WholeAndOne", start, range.size_bytes + 1);
    add("AllButFirst", start + 1, range.size_bytes - 1);
    add("FromSecondPastEnd", start + 1, range.size_bytes);
    add("Last", end - 1, 1);
    add("LastAndOne", end - 1, 2);
    add("LastTwo", end - 2, 2);
    add("LastTwoAndOne", end - 2, 3);
    add("AtEnd", end, 1);
    add("PastEnd", end + 1, 1);
    add("LastAndLongest", end - 1, 0xffffffff);
  }
  const uint64_t high = ToInteger(GuestRam::kHigh.start);
  cases.push_back({"BeforeHigh", high - 1, 1, false});
  cases.push_back({"BeforeHighInto", high - 1, 2, false});
  cases.push_back({"FromLowOverHoleToHigh", 0x1000, 0xffffffff, false});
  cases.push_back({"EndsAtTop", ~uint64_t{0}, 1, false});
  cases.push_back({"WrapsToZero", ~uint64_t{0}, 2, false});
  cases.push_back({"WrapsIntoLow", ~uint64_t{0xfff}, 0x2000, false});
  cases.push_back({"WrapsFarIntoLow", ~uint64_t{0} - 0x7fffffff, 0xffffffff, false});
  return cases;
}

class QueueBufferTest : public ::testing::TestWithParam<Case> {};

TEST_P(QueueBufferTest, IsTakenOnlyWhollyInRam) {
  for (const uint16_t flags : {uint16_t{0}, kWrite}) {
    QueueUnderTest test(8);
    const auto breach = test.PopBreachOf({GetParam().addr, GetParam().len, flags, 0});
    EXPECT_EQ(breach, GetParam().in_ram ? std::nullopt : std::optional(kBufferNotInRam));
  }
}

INSTANTIATE_TEST_SUITE_P(RegionEnds, QueueBufferTest, ::testing::ValuesIn(AroundRegionEnds()),
                         [](const auto& test) { return test.param.name; });

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Two regions that touch, as where memory comes in slots.
struct Adjacent {
  Adjacent()
      : ram({{GuestAddress{0}, 2 * kMiB}, {GuestAddress{2 * kMiB}, kMiB}}, false),
        ring(ram, 64),
        storage(QueueSize{64}),
        queue(*Queue::Create(ram.memory(), ConfigOf(ring.place()), {})) {}

  GuestRam ram;
  DriverRing ring;
  ChainStorage storage;
  Queue queue;
};

TEST(QueueAdjacentRegionsTest, SplitsABufferThatCrosses) {
  Adjacent test;
  const GuestAddress border{2 * kMiB};
  test.ring.Add({{GuestAddress{2 * kMiB - 100}, 300, true}});
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  const std::span<const iovec> pieces = (**popped).writable().pieces();
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].iov_len, 100U);
  EXPECT_EQ(pieces[1].iov_len, 200U);
  EXPECT_EQ(pieces[1].iov_base, test.ram.Bytes(border, 1).data());
  std::move(**popped).Abandon();
}

TEST(QueueAdjacentRegionsTest, RefusesMorePiecesThanItStores) {
  Adjacent test;
  const std::vector<Segment> crossing(64, {GuestAddress{2 * kMiB - 1}, 2, false});
  test.ring.Add(crossing);
  test.ring.Publish();
  const Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_FALSE(popped.has_value());
  EXPECT_EQ(popped.error(), kTooManyBuffers);
}

TEST(QueueLargeChainTest, TakesExactlyFourGibibytesAndNotOneByteMore) {
  // Many descriptors may name the same bytes: 512 of 8 MiB.
  const auto pop_breach = [](uint32_t first_len) {
    QueueUnderTest test(1024);
    std::vector<Segment> segments(512, {GuestAddress{0}, uint32_t{8} << 20, true});
    segments.push_back({GuestAddress{0}, first_len, true});
    test.ring.Add(segments);
    test.ring.Publish();
    return test.PopBreach();
  };
  EXPECT_EQ(pop_breach(0), std::nullopt);
  EXPECT_EQ(pop_breach(1), kChainTooLarge);
}

TEST(QueueDoubleFetchTest, KeepsWhatItCheckedWhenTheDriverChangesTheDescriptor) {
  QueueUnderTest test(8);
  const Segment data = test.Writable(64);
  const uint16_t head = test.ring.Add({data});
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  test.ring.SetDescriptor(head, {~uint64_t{0}, 0xffffffff, kWrite | kNext, 0xffff});
  const std::span<const iovec> pieces = (**popped).writable().pieces();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].iov_base, test.ram.Bytes(data.at, 64).data());
  EXPECT_EQ(pieces[0].iov_len, 64U);
  std::move(**popped).Abandon();
}

// Numbers of the low region's pages that were marked since the last call.
std::vector<uint64_t> TakeDirtyPages(const GuestRam& ram) {
  std::vector<uint64_t> pages;
  const std::vector<uint64_t> words = const_cast<DirtyPages*>(ram.memory().dirty_pages())->Take(0);
  for (size_t bit = 0; bit < words.size() * 64; ++bit) {
    if (((words[bit / 64] >> (bit % 64)) & 1) != 0) pages.push_back(bit);
  }
  return pages;
}

constexpr uint64_t kPage = 4096;
uint64_t PageOf(GuestAddress at) { return ToInteger(at) / kPage; }

TEST(QueueDirtyTest, MarksWhatWasWrittenAndTheUsedRing) {
  QueueUnderTest test(8, {}, true);
  const GuestAddress readable = test.ram.Allocate(kPage, kPage);
  const GuestAddress writable = test.ram.Allocate(4 * kPage, kPage);
  test.ring.Add({{readable, 100, false}, {writable, 4 * kPage, true}});
  test.ring.Publish();
  TakeDirtyPages(test.ram);
  ASSERT_TRUE(test.Serve(kPage + 1));
  ASSERT_TRUE(test.queue.Publish());
  const uint64_t used_page = PageOf(test.ring.place().used);
  EXPECT_EQ(TakeDirtyPages(test.ram),
            (std::vector<uint64_t>{used_page, PageOf(writable), PageOf(writable) + 1}));
}

TEST(QueueDirtyTest, MarksNothingForAChainTheDeviceOnlyRead) {
  QueueUnderTest test(8, {}, true);
  test.ring.Add({{test.ram.Allocate(kPage, kPage), kPage, false}});
  test.ring.Publish();
  ASSERT_TRUE(test.Serve(0));
  EXPECT_TRUE(TakeDirtyPages(test.ram).empty());
}

TEST(QueueDirtyTest, MarksOverSeveralBuffers) {
  QueueUnderTest test(8, {}, true);
  const GuestAddress first = test.ram.Allocate(kPage, kPage);
  test.ram.Allocate(kPage, kPage);
  const GuestAddress second = test.ram.Allocate(kPage, kPage);
  test.ring.Add({{first, 10, true}, {second, 10, true}});
  test.ring.Publish();
  ASSERT_TRUE(test.Serve(11));
  EXPECT_EQ(TakeDirtyPages(test.ram), (std::vector<uint64_t>{PageOf(first), PageOf(second)}));
}

TEST(QueueDirtyTest, MarksBytesBeyondTheCountWhenTold) {
  QueueUnderTest test(8, {}, true);
  const GuestAddress at = test.ram.Allocate(3 * kPage, kPage);
  test.ring.Add({{at, 3 * kPage, true}});
  test.ring.Publish();
  Queue::PopResult popped = test.queue.Pop(test.storage);
  ASSERT_TRUE(popped && *popped);
  (**popped).MarkWritten(test.ram.memory(), 3 * kPage - 1, 1);
  test.queue.Complete(std::move(**popped), 0);
  EXPECT_EQ(TakeDirtyPages(test.ram), (std::vector<uint64_t>{PageOf(at) + 2}));
}

TEST(QueueDirtyTest, MarksTheUsedRingWhenAskingForNotifications) {
  QueueUnderTest test(8, kAllQueueFeatures, true);
  TakeDirtyPages(test.ram);
  EXPECT_FALSE(test.queue.EnableNotifications());
  EXPECT_EQ(TakeDirtyPages(test.ram), std::vector<uint64_t>{PageOf(test.ring.place().used)});
}

}  // namespace
}  // namespace ember::virtio::testing
