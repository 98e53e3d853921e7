#include "virtio/queue_layout.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/virtio/driver/guest_ram.h"

namespace ember::virtio::testing {
namespace {

constexpr QueueSize kMax{256};

QueueConfig Valid() {
  return {.size = QueueSize{16},
          .descriptors = GuestAddress{0x1000},
          .available = GuestAddress{0x2000},
          .used = GuestAddress{0x3000},
          .ready = false};
}

struct Case {
  const char* name;
  std::function<void(QueueConfig&)> change;
  const char* error;  // a part of the message; null where the configuration is valid
};

void PrintTo(const Case& test_case, std::ostream* out) { *out << test_case.name; }

class QueueLayoutTest : public ::testing::TestWithParam<Case> {};

TEST_P(QueueLayoutTest, IsAcceptedOrRefusedByName) {
  const GuestRam ram;
  QueueConfig config = Valid();
  GetParam().change(config);
  const Result<QueueRings> rings = ResolveQueueRings(config, kMax, ram.memory());
  if (GetParam().error == nullptr) {
    EXPECT_TRUE(rings.has_value()) << rings.error().message();
    return;
  }
  ASSERT_FALSE(rings.has_value());
  EXPECT_NE(rings.error().message().find(GetParam().error), std::string::npos)
      << rings.error().message();
}

QueueSize Size(int size) { return QueueSize{static_cast<uint16_t>(size)}; }
GuestAddress LowEnd(uint64_t before) { return GuestAddress{GuestRam::kLow.size_bytes - before}; }

const Case kCases[] = {
    {"Valid", [](QueueConfig&) {}, nullptr},
    {"SizeZero", [](QueueConfig& c) { c.size = Size(0); }, "queue size 0"},
    {"SizeOne", [](QueueConfig& c) { c.size = Size(1); }, nullptr},
    {"SizeThree", [](QueueConfig& c) { c.size = Size(3); }, "queue size 3"},
    {"SizeAtMaximum", [](QueueConfig& c) { c.size = Size(256), c.used = GuestAddress{0x4000}; },
     nullptr},
    {"SizeBelowMaximumNoPower", [](QueueConfig& c) { c.size = Size(255); }, "queue size 255"},
    {"SizeOverMaximum", [](QueueConfig& c) { c.size = Size(512); }, "queue size 512"},
    {"SizeHighestBit", [](QueueConfig& c) { c.size = Size(32768); }, "queue size 32768"},
    {"SizeAllBits", [](QueueConfig& c) { c.size = Size(65535); }, "queue size 65535"},
    {"DescriptorsUnset", [](QueueConfig& c) { c.descriptors = {}; }, "descriptor table is not set"},
    {"AvailableUnset", [](QueueConfig& c) { c.available = {}; }, "available ring is not set"},
    {"UsedUnset", [](QueueConfig& c) { c.used = {}; }, "used ring is not set"},
    {"DescriptorsAtEight", [](QueueConfig& c) { c.descriptors = GuestAddress{0x1008}; },
     "not a multiple of 16"},
    {"AvailableAtOne", [](QueueConfig& c) { c.available = GuestAddress{0x2001}; },
     "not a multiple of 2"},
    {"AvailableAtTwo", [](QueueConfig& c) { c.available = GuestAddress{0x2002}; }, nullptr},
    {"UsedAtTwo", [](QueueConfig& c) { c.used = GuestAddress{0x3002}; }, "not a multiple of 4"},
    {"UsedAtFour", [](QueueConfig& c) { c.used = GuestAddress{0x3004}; }, nullptr},
    {"AllAtOnePlace",
     [](QueueConfig& c) { c.available = c.used = c.descriptors = GuestAddress{0x4000}; },
     "overlaps"},
    {"AvailableRightAfterTable", [](QueueConfig& c) { c.available = GuestAddress{0x1100}; },
     nullptr},
    {"AvailableInEndOfTable", [](QueueConfig& c) { c.available = GuestAddress{0x10fe}; },
     "available ring at 0x10fe overlaps descriptor table"},
    {"AvailableReachesTable", [](QueueConfig& c) { c.available = GuestAddress{0x0fdc}; },
     "overlaps"},
    {"AvailableEndsBeforeTable", [](QueueConfig& c) { c.available = GuestAddress{0x0fda}; },
     nullptr},
    {"UsedInUsedEventOfAvailable", [](QueueConfig& c) { c.used = GuestAddress{0x2024}; },
     "used ring at 0x2024 overlaps available ring"},
    {"UsedRightAfterAvailable", [](QueueConfig& c) { c.used = GuestAddress{0x2028}; }, nullptr},
    {"UsedReachesAvailable", [](QueueConfig& c) { c.used = GuestAddress{0x1f7c}; }, "overlaps"},
    {"UsedEndsBeforeAvailable", [](QueueConfig& c) { c.used = GuestAddress{0x1f78}; }, nullptr},
    {"UsedInTable", [](QueueConfig& c) { c.used = GuestAddress{0x10fc}; },
     "used ring at 0x10fc overlaps descriptor table"},
    {"TableEndsWithRegion", [](QueueConfig& c) { c.descriptors = LowEnd(256); }, nullptr},
    {"TablePastRegion", [](QueueConfig& c) { c.descriptors = LowEnd(240); }, "descriptor table"},
    {"AvailableEndsWithRegion", [](QueueConfig& c) { c.available = LowEnd(38); }, nullptr},
    {"AvailablePastRegion", [](QueueConfig& c) { c.available = LowEnd(36); }, "available ring"},
    {"UsedEndsWithRegion", [](QueueConfig& c) { c.used = LowEnd(136); }, nullptr},
    {"UsedPastRegion", [](QueueConfig& c) { c.used = LowEnd(132); }, "used ring"},
    {"TableInHole", [](QueueConfig& c) { c.descriptors = LowEnd(0); }, "descriptor table"},
    {"TableInHighRegion", [](QueueConfig& c) { c.descriptors = GuestRam::kHigh.start; }, nullptr},
    {"UsedPastHighRegion", [](QueueConfig& c) { c.used = GuestRam::kHigh.end(); }, "used ring"},
    {"TableWraps", [](QueueConfig& c) { c.descriptors = GuestAddress{~uint64_t{15}}; },
     "descriptor table"},
};

INSTANTIATE_TEST_SUITE_P(Layouts, QueueLayoutTest, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(QueueLayoutSizesTest, MatchTheSpecification) {
  // virtio 1.2, 2.7: 16 * size, 6 + 2 * size, 6 + 8 * size.
  EXPECT_EQ(DescriptorTableBytes(QueueSize{256}), 4096U);
  EXPECT_EQ(AvailableRingBytes(QueueSize{256}), 518U);
  EXPECT_EQ(UsedRingBytes(QueueSize{256}), 2054U);
  EXPECT_EQ(DescriptorTableBytes(kMaxQueueSize), 524288U);
}

TEST(QueueLayoutHostTest, ResolvesToTheGuestsOwnBytes) {
  const GuestRam ram;
  const QueueRings rings = *ResolveQueueRings(Valid(), kMax, ram.memory());
  EXPECT_EQ(rings.descriptors, ram.Bytes(GuestAddress{0x1000}, 1).data());
  EXPECT_EQ(rings.available, ram.Bytes(GuestAddress{0x2000}, 1).data());
  EXPECT_EQ(rings.used, ram.Bytes(GuestAddress{0x3000}, 1).data());
}

}  // namespace
}  // namespace ember::virtio::testing
