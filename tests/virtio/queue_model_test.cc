// The ring walker against a second, naive one, over random tables that are mostly nearly right
// (shared/virtio.md, 1 to 5).
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/queue_fixture.h"

namespace ember::virtio::testing {
namespace {

constexpr uint16_t kSize = 8;

// What popping should come to.
struct Expected {
  std::vector<std::pair<uint64_t, bool>> pieces;  // address and whether it is writable
  std::vector<uint32_t> lengths;
  bool breach = false;
};

bool InRam(uint64_t at, uint64_t len) {
  for (const GuestRange range : {GuestRam::kLow, GuestRam::kHigh}) {
    const uint64_t start = ToInteger(range.start);
    if (at >= start && at - start <= range.size_bytes && len <= range.size_bytes - (at - start)) {
      return true;
    }
  }
  return false;
}

RawDescriptor ReadAt(const GuestRam& ram, uint64_t at) {
  RawDescriptor descriptor;
  std::memcpy(&descriptor, ram.Bytes(GuestAddress{at}, 16).data(), 16);
  return descriptor;
}

// Straight from 2.7.5: lists first, rules after.
Expected WalkNaively(const GuestRam& ram, const RingPlace& place, uint16_t head, bool indirect) {
  Expected breach{.breach = true};
  std::vector<RawDescriptor> list;
  uint64_t table = ToInteger(place.descriptors);
  uint64_t entries = place.size;
  uint64_t index = head;
  bool inside = false;
  while (true) {
    if (index >= entries) return breach;
    const RawDescriptor descriptor = ReadAt(ram, table + 16 * index);
    if ((descriptor.flags & kIndirect) != 0) {
      if (!indirect || inside || (descriptor.flags & kNext) != 0) return breach;
      if (descriptor.len % 16 != 0 || descriptor.len == 0) return breach;
      if (!InRam(descriptor.addr, descriptor.len)) return breach;
      table = descriptor.addr;
      entries = descriptor.len / 16;
      index = 0;
      inside = true;
      continue;
    }
    list.push_back(descriptor);
    if (list.size() > place.size) return breach;
    if ((descriptor.flags & kNext) == 0) break;
    index = descriptor.next;
  }
  Expected expected;
  bool writing = false;
  for (const RawDescriptor& descriptor : list) {
    const bool writable = (descriptor.flags & kWrite) != 0;
    if (writing && !writable) return breach;
    writing = writable;
    if (descriptor.len == 0) continue;
    if (!InRam(descriptor.addr, descriptor.len)) return breach;
    expected.pieces.emplace_back(descriptor.addr, writable);
    expected.lengths.push_back(descriptor.len);
  }
  return expected;
}

class RandomTable {
 public:
  explicit RandomTable(QueueUnderTest& test)
      : test_(test), indirect_(ToInteger(test.ram.Allocate(16 * 32))) {}

  void Fill() {
    for (uint16_t i = 0; i < kSize; ++i) test_.ring.SetDescriptor(i, Random(kSize));
    for (uint64_t i = 0; i < 32; ++i) {
      const RawDescriptor descriptor = Random(12);
      std::memcpy(test_.ram.Bytes(GuestAddress{indirect_ + 16 * i}, 16).data(), &descriptor, 16);
    }
  }
  uint32_t Number(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

 private:
  template <typename T, size_t kCount>
  T Pick(const T (&from)[kCount]) {
    return from[random_() % kCount];
  }

  RawDescriptor Random(uint32_t entries) {
    static constexpr uint64_t kLowEnd = GuestRam::kLow.size_bytes;
    static constexpr uint64_t kHigh = ToInteger(GuestRam::kHigh.start);
    static constexpr uint64_t kAddresses[] = {
        0, 0x5000, 0x6001, kLowEnd - 1, kLowEnd - 512, kLowEnd - 4096, kHigh, kHigh + 7};
    static constexpr uint64_t kBadAddresses[] = {kLowEnd, kHigh - 1, ~uint64_t{0},
                                                 ~uint64_t{0} - 511};
    static constexpr uint32_t kLengths[] = {0, 1, 15, 16, 512, 4096};
    static constexpr uint16_t kFlags[] = {0, kWrite, kNext, kNext, kNext, kNext | kWrite};
    RawDescriptor descriptor{.addr = Number(40) == 0 ? Pick(kBadAddresses) : Pick(kAddresses),
                             .len = Pick(kLengths),
                             .flags = Pick(kFlags),
                             .next = static_cast<uint16_t>(Number(entries))};
    if (Number(40) == 0) descriptor.next = static_cast<uint16_t>(Number(65536));
    if (Number(40) == 0) descriptor.flags = static_cast<uint16_t>(Number(65536));
    if (Number(8) == 0) {
      descriptor.addr = indirect_ + 16 * Number(20);
      descriptor.len = 16 * (1 + Number(14)) + (Number(16) == 0 ? 1 : 0);
      descriptor.flags = Number(16) == 0 ? kIndirect | kNext : kIndirect;
    }
    return descriptor;
  }

  QueueUnderTest& test_;
  uint64_t indirect_;
  std::minstd_rand random_{20261121};
};

void ExpectSame(const GuestRam& ram, const Expected& expected, const DescriptorChain& chain) {
  std::vector<iovec> pieces;
  std::vector<bool> writable;
  for (const iovec& piece : chain.readable().pieces()) {
    pieces.push_back(piece);
    writable.push_back(false);
  }
  for (const iovec& piece : chain.writable().pieces()) {
    pieces.push_back(piece);
    writable.push_back(true);
  }
  ASSERT_EQ(pieces.size(), expected.pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto [at, writes] = expected.pieces[i];
    ASSERT_EQ(pieces[i].iov_base, ram.Bytes(GuestAddress{at}, 1).data());
    ASSERT_EQ(pieces[i].iov_len, expected.lengths[i]);
    ASSERT_EQ(writable[i], writes);
  }
}

class QueueModelTest : public ::testing::TestWithParam<bool> {};

// EMBER_LONG_TESTS makes it 100 times as long.
TEST_P(QueueModelTest, AgreesWithANaiveWalkerOverRandomTables) {
  const bool indirect = GetParam();
  const int rounds = std::getenv("EMBER_LONG_TESTS") != nullptr ? 20'000'000 : 200'000;
  QueueUnderTest test(kSize, indirect ? kAllQueueFeatures : Features{});
  RandomTable table(test);
  std::map<std::optional<Breach>, int> outcomes;
  for (int round = 0; round < rounds; ++round) {
    table.Fill();
    const auto head = static_cast<uint16_t>(table.Number(kSize + (table.Number(50) == 0 ? 2 : 0)));
    Queue queue = *Queue::Create(test.ram.memory(), ConfigOf(test.ring.place()),
                                 {.features = indirect ? kAllQueueFeatures : Features{}});
    test.ring.SetAvailableEntry(0, head);
    test.ring.SetAvailableIndex(1);
    const Expected expected = WalkNaively(test.ram, test.ring.place(), head, indirect);
    Queue::PopResult popped = queue.Pop(test.storage);
    ASSERT_EQ(!popped.has_value(), expected.breach) << "round " << round;
    ++outcomes[popped ? std::nullopt : std::optional(popped.error())];
    if (!popped) continue;
    ASSERT_TRUE(popped->has_value());
    ExpectSame(test.ram, expected, **popped);
    queue.Complete(std::move(**popped), 0);
    ASSERT_FALSE(HasFatalFailure()) << "round " << round;
  }
  // It is worth something only if it met every kind of outcome often.
  EXPECT_GE(outcomes.size(), indirect ? 10U : 6U);
  for (const auto& [breach, count] : outcomes) {
    EXPECT_GT(count, rounds / 2000) << (breach ? BreachName(*breach) : "chain");
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, QueueModelTest, ::testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "WithIndirect" : "Direct");
});

}  // namespace
}  // namespace ember::virtio::testing
