// Free page hinting: runs, their ids, and whose pages may be given away (virtio 1.2, 5.5.6.5).
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "tests/virtio/balloon/balloon_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr size_t kHintQueue = 3;
constexpr uint32_t kStop = 0;
constexpr uint32_t kDone = 1;

class BalloonHintingTest : public ::testing::Test {
 protected:
  BalloonHintingTest() { bench.Fill(kField, kFieldBytes); }

  Segment Command(uint32_t command) {
    const GuestAddress at = bench.rig.ram.Allocate(4);
    std::memcpy(bench.rig.ram.Bytes(at, 4).data(), &command, 4);
    return {at, 4, false};
  }
  void SendCommand(uint32_t command) { bench.Send(kHintQueue, {Command(command)}); }
  void SendPages(uint64_t first, uint64_t count) {
    const auto len = static_cast<uint32_t>(count * kPage);
    bench.Send(kHintQueue, {{kField + first * kPage, len, true}});
  }
  uint32_t HostCommand() { return bench.rig.driver.Read(kHintCommandOffset); }
  std::optional<uint32_t> GuestCommand() { return bench.device->hinting()->guest_command(); }
  uint64_t Resident() { return bench.Resident(kField, kFieldBytes); }

  BalloonBench bench;
};

TEST_F(BalloonHintingTest, GivesHintedPagesToTheHost) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  EXPECT_EQ(HostCommand(), 2U);
  SendCommand(2);
  SendPages(0, 128);
  EXPECT_EQ(Resident(), 1024U - 128);
  EXPECT_EQ(bench.metrics().free_page_hint_count.value(), 1U);
  EXPECT_EQ(bench.metrics().free_page_hint_freed.value(), 128 * kPage);
}

TEST_F(BalloonHintingTest, SaysDoneWhenTheDriverHasSentAll) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  SendCommand(2);
  const int interrupts = bench.rig.line.count();
  SendCommand(kStop);
  EXPECT_EQ(HostCommand(), kDone);
  EXPECT_EQ(GuestCommand(), kStop);
  EXPECT_EQ(bench.rig.line.count(), interrupts + 2) << "the used buffer and the configuration";
}

TEST_F(BalloonHintingTest, LeavesTheLastWordToTheClientWhereToldTo) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kWait));
  SendCommand(2);
  SendCommand(kStop);
  EXPECT_EQ(HostCommand(), 2U);
  ASSERT_TRUE(bench.device->StopHinting());
  EXPECT_EQ(HostCommand(), kDone);
}

TEST_F(BalloonHintingTest, KeepsPagesThatBelongToNoRun) {
  SendPages(0, 8);
  SendCommand(2);
  SendPages(8, 8);
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  bench.rig.driver.Write(reg::kStatus, 0);
  bench.Start(bench.rig.driver.DeviceFeatures());
  SendPages(16, 8);
  EXPECT_EQ(Resident(), 1024U);
  EXPECT_EQ(bench.metrics().free_page_hint_count.value(), 0U);
}

// The driver may use them again from DONE on, so they must not be given away after.
TEST_F(BalloonHintingTest, KeepsPagesThatComeAfterDone) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kWait));
  SendCommand(2);
  ASSERT_TRUE(bench.device->StopHinting());
  SendPages(0, 8);
  EXPECT_EQ(Resident(), 1024U);
}

TEST_F(BalloonHintingTest, KeepsPagesOfARunThatAnotherReplaced) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  SendCommand(2);
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  EXPECT_EQ(HostCommand(), 3U);
  SendPages(0, 8);
  SendCommand(kStop);
  EXPECT_EQ(HostCommand(), 3U) << "the end of the old run is not the end of the new one";
  EXPECT_EQ(Resident(), 1024U);
  SendCommand(3);
  SendPages(0, 8);
  EXPECT_EQ(Resident(), 1016U);
}

TEST_F(BalloonHintingTest, TakesCommandAndPagesInOneRequest) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  bench.Send(kHintQueue, {Command(2), {kField, 4 * kPage, true}});
  EXPECT_EQ(Resident(), 1020U);
}

TEST_F(BalloonHintingTest, PassesOverCommandsThatAreNone) {
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  const GuestAddress at = bench.rig.ram.Allocate(8);
  bench.Send(kHintQueue, {{at, 3, false}});
  bench.Send(kHintQueue, {{at, 8, false}});
  EXPECT_EQ(GuestCommand(), std::nullopt);
  EXPECT_EQ(bench.metrics().event_fails.value(), 2U);
}

TEST(HintingTest, GoesOnWithIdsThatMeanNothingElse) {
  Hinting hinting;
  hinting.Start(Hinting::OnStop::kWait);
  EXPECT_EQ(hinting.host_command(), 2U);
  hinting.Finish();
  hinting.Reset();
  EXPECT_EQ(hinting.host_command(), 0U);
  hinting.Start(Hinting::OnStop::kWait);
  EXPECT_EQ(hinting.host_command(), 3U);
}

TEST(HintingTest, TakesAnUnexpectedDoneFromTheDriverForItsStop) {
  Hinting hinting;
  hinting.Start(Hinting::OnStop::kAcknowledge);
  EXPECT_FALSE(hinting.TakeGuestCommand(2));
  EXPECT_TRUE(hinting.takes_pages());
  EXPECT_TRUE(hinting.TakeGuestCommand(kDone));
  EXPECT_FALSE(hinting.takes_pages());
}

}  // namespace
}  // namespace ember::virtio::testing
