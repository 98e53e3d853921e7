// The balloon before the start, and what is made of clients' wishes after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tests/vmm/fake_machine.h"
#include "vmm/balloon/balloon_device.h"
#include "vmm/preboot_controller.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(BalloonConfigTest, FitsMemoryForAllNumbersBesidePowersOfTwo) {
  for (int bit = 0; bit < 32; ++bit) {
    for (const int delta : {-1, 0, 1}) {
      const auto amount = static_cast<uint32_t>((int64_t{1} << bit) + delta);
      for (const uint64_t memory : {uint64_t{1}, uint64_t{128}, kMaxMemoryMib}) {
        EXPECT_EQ(CheckBalloonFits(amount, memory).has_value(), amount <= memory);
      }
    }
  }
}

TEST(BalloonConfigTest, LargestDoesNotWrapToASmallOne) {
  EXPECT_EQ((*CreateBalloon({.amount_mib = kMaxMemoryMib - 1}))->target_pages(), 0xffffff00U);
  // 2^32 pages, one more than the device can ask for.
  EXPECT_FALSE(CreateBalloon({.amount_mib = kMaxMemoryMib}));
  EXPECT_FALSE(CreateBalloon({.amount_mib = UINT32_MAX}));
}

class BalloonPrebootTest : public ::testing::Test {
 protected:
  std::string Fault(const Action& action) {
    const Status status = controller.Perform(action);
    return status ? "" : status.error().message();
  }

  FakeMachineRoom room;
  PrebootController controller{room.factory()};
};

TEST_F(BalloonPrebootTest, IsReplacedWhole) {
  ASSERT_EQ(Fault(PutBalloon{{.amount_mib = 1, .deflate_on_oom = true}}), "");
  ASSERT_EQ(Fault(PutBalloon{{.amount_mib = 2}}), "");
  EXPECT_EQ(controller.config().balloon, BalloonConfig{.amount_mib = 2});
}

TEST_F(BalloonPrebootTest, AndMemoryFitEachOtherWhicheverComesLast) {
  EXPECT_THAT(Fault(PutBalloon{{.amount_mib = 129}}),
              StartsWith("Amount of pages requested is too large"));
  EXPECT_EQ(controller.config().balloon, std::nullopt);
  ASSERT_EQ(Fault(PutBalloon{{.amount_mib = 128}}), "");
  const std::string text =
      "The memory size (MiB) is smaller than the previously set balloon device target size: "
      "mem_size_mib 127 is below amount_mib 128";
  EXPECT_EQ(Fault(PutMachineConfig{{.vcpu_count = 1, .mem_size_mib = 127}}), text);
  EXPECT_EQ(Fault(PatchMachineConfig{{.mem_size_mib = 127}}), text);
  EXPECT_EQ(controller.config().machine.mem_size_mib, 128U);
  EXPECT_EQ(Fault(PatchMachineConfig{{.mem_size_mib = 128}}), "");
}

TEST(BalloonJsonTest, ShowsOfStatisticsWhatTheGuestSaid) {
  const auto device = *CreateBalloon({.amount_mib = 3, .stats_polling_interval_s = 1});
  EXPECT_EQ(StatisticsJson(*device).value(),
            R"({"target_pages":768,"actual_pages":0,"target_mib":3,"actual_mib":0})");
  EXPECT_THAT(StatisticsJson(**CreateBalloon({})).error().message(), HasSubstr("not enabled"));
}

TEST(BalloonJsonTest, ShowsWhereHintingStands) {
  EXPECT_EQ(HintingJson(**CreateBalloon({.free_page_hinting = true})).value(),
            R"({"host_cmd":0,"guest_cmd":null})");
  EXPECT_FALSE(HintingJson(**CreateBalloon({})));
}

}  // namespace
}  // namespace ember::vmm
