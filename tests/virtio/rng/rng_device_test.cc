// virtio-rng (virtio 1.2, 5.4): bytes, bounds, limits of the rate, and resets in between.
#include "virtio/rng/rng_device.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "memory/dirty_pages.h"
#include "tests/base/fake_clock.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/rng/fake_entropy.h"

namespace ember::virtio::testing {
namespace {

using std::chrono::milliseconds;

// A device in a rig whose driver has one queue of `queue_size`.
struct Bench {
  explicit Bench(const RateLimiterOptions& limits = {}, uint16_t queue_size = 64)
      : Bench(std::make_unique<FakeEntropy>(), limits, queue_size) {}
  Bench(std::unique_ptr<EntropySource> source, const RateLimiterOptions& limits,
        uint16_t queue_size = 64)
      : entropy(dynamic_cast<FakeEntropy*>(source.get())),
        device(*RngDevice::Create(std::move(source), {.rate_limiter = limits, .clock = clock})),
        ring(rig.ram, queue_size) {
    rig.driver.Start(kVersion1Feature, ring.place());
  }

  GuestAddress Put(uint32_t len) {
    const GuestAddress at = rig.ram.Allocate(len);
    ring.Add({Segment{at, len, true}});
    return at;
  }
  void Kick() {
    ring.Publish();
    rig.driver.Notify(0);
    rig.Pump();
  }
  // The used length of the next request that came back.
  std::optional<uint32_t> TakeLen() {
    const std::optional<UsedEntry> used = ring.TakeUsed();
    if (!used) return std::nullopt;
    return used->len;
  }
  void Advance(milliseconds by) {
    clock.Advance(by);
    rig.state().ProcessHostEvents();
    rig.Pump();
  }
  std::vector<std::byte> Bytes(GuestAddress at, uint64_t len) const {
    const auto bytes = rig.ram.Bytes(at, len);
    return {bytes.begin(), bytes.end()};
  }

  FakeClock clock;
  FakeEntropy* entropy;  // null where the source is another
  std::unique_ptr<RngDevice> device;
  Rig rig{*device};
  DriverRing ring;
};

constexpr RateLimiterOptions kThousandBytesASecond{
    .bandwidth = TokenBucketOptions{.size = 1000, .refill_time_ms = 1000}, .ops = std::nullopt};

TEST(RngDeviceTest, FillsABufferAndSaysHowMuch) {
  Bench bench;
  const GuestAddress at = bench.Put(100);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 100U);
  EXPECT_EQ(bench.Bytes(at, 100), std::vector<std::byte>(100, FakeEntropy::kByte));
  EXPECT_EQ(bench.device->metrics().entropy_bytes.value(), 100U);
  EXPECT_EQ(bench.device->metrics().entropy_event_count.value(), 1U);
}

TEST(RngDeviceTest, GivesOtherBytesEachTime) {
  Bench bench(CreateHostEntropySource(), {});
  const GuestAddress first = bench.Put(32), second = bench.Put(32);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 32U);
  EXPECT_EQ(bench.TakeLen(), 32U);
  EXPECT_NE(bench.Bytes(first, 32), bench.Bytes(second, 32));
  EXPECT_NE(bench.Bytes(first, 32), std::vector<std::byte>(32));
}

TEST(RngDeviceTest, OffersNoFeatureAndHasNoConfiguration) {
  Bench bench;
  EXPECT_EQ(bench.device->offered_features().bits(), 0U);
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), 0U);
}

TEST(RngDeviceTest, FillsABufferInPieces) {
  Bench bench;
  const GuestAddress at = bench.rig.ram.Allocate(64);
  bench.ring.Add({{at, 1, true}, {at + 1, 7, true}, {at + 8, 20, true}});
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 28U);
  std::vector<std::byte> expected(64);
  std::fill_n(expected.begin(), 28, FakeEntropy::kByte);
  EXPECT_EQ(bench.Bytes(at, 64), expected);
}

TEST(RngDeviceTest, GivesNoMoreThanItsBoundToOneRequest) {
  Bench bench;
  const uint32_t bound = RngDevice::kMaxRequestBytes;
  const GuestAddress at = bench.rig.ram.Allocate(bound + 100);
  bench.ring.Add({{at, bound - 1, true}, {at + (bound - 1), 101, true}});
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), bound);
  EXPECT_EQ(bench.Bytes(at + bound, 100), std::vector<std::byte>(100));
  EXPECT_EQ(bench.Bytes(at + (bound - 1), 1), std::vector<std::byte>(1, FakeEntropy::kByte));
}

TEST(RngDeviceTest, GivesBackEmptyWhatHasNothingToWriteOrSomethingToRead) {
  Bench bench;
  const GuestAddress at = bench.rig.ram.Allocate(64);
  bench.ring.Add({{at, 16, false}});
  bench.ring.Add({{at + 16, 16, false}, {at + 32, 16, true}});
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 0U);
  EXPECT_EQ(bench.TakeLen(), 0U);
  EXPECT_EQ(bench.Bytes(at, 64), std::vector<std::byte>(64));
  EXPECT_EQ(bench.device->metrics().entropy_event_fails.value(), 2U);
  EXPECT_EQ(bench.rig.driver.status() & kNeedsReset, 0U);
}

TEST(RngDeviceTest, GivesBackEmptyWhatTheHostFailsAndGoesOn) {
  Bench bench;
  bench.entropy->fails = true;
  bench.Put(16);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 0U);
  EXPECT_EQ(bench.device->metrics().host_rng_fails.value(), 1U);
  EXPECT_EQ(bench.device->metrics().entropy_event_fails.value(), 1U);
  EXPECT_EQ(bench.device->metrics().entropy_bytes.value(), 0U);
  bench.entropy->fails = false;
  bench.Put(16);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 16U);
}

TEST(RngDeviceTest, ServesManyRequestsWithOneInterrupt) {
  Bench bench;
  for (int i = 0; i < 64; ++i) bench.Put(64);
  bench.Kick();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(bench.TakeLen(), 64U);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(RngDeviceTest, DoesABoundedAmountOfWorkInAWakeUp) {
  Bench bench({}, 64);
  const GuestAddress at = bench.rig.ram.Allocate(RngDevice::kMaxRequestBytes);
  for (int i = 0; i < 64; ++i) {
    bench.ring.Add({Segment{at, RngDevice::kMaxRequestBytes, true}});
  }
  bench.ring.Publish();
  bench.rig.driver.Notify(0);
  uint64_t before = 0;
  while (bench.rig.PumpOnce()) {
    EXPECT_LE(bench.entropy->bytes - before,
              RngDevice::kWakeUpBudgetBytes + RngDevice::kMaxRequestBytes);
    before = bench.entropy->bytes;
  }
  EXPECT_EQ(bench.entropy->bytes, 64 * RngDevice::kMaxRequestBytes);
}

TEST(RngDeviceTest, MarksDirtyWhatItWrote) {
  auto device = *RngDevice::Create(std::make_unique<FakeEntropy>(), {});
  Rig rig(*device, /*track_dirty_pages=*/true);
  DriverRing ring(rig.ram, 16);
  rig.driver.Start(kVersion1Feature, ring.place());
  const GuestAddress at = rig.ram.Allocate(3 * 4096, 4096);
  ring.Add({Segment{at, 4097, true}});
  ring.Publish();
  rig.driver.Notify(0);
  rig.Pump();
  const std::vector<uint64_t> dirty = rig.ram.memory().dirty_pages()->Take(0);
  const uint64_t page = ToInteger(at) / DirtyPages::kPageBytes;
  const auto is_dirty = [&](uint64_t which) {
    return (dirty[which / 64] >> (which % 64) & 1) != 0;
  };
  EXPECT_TRUE(is_dirty(page));
  EXPECT_TRUE(is_dirty(page + 1));
  EXPECT_FALSE(is_dirty(page + 2));
}

TEST(RngDeviceTest, DoesNotStartWithoutItsQueue) {
  auto device = *RngDevice::Create(std::make_unique<FakeEntropy>(), {});
  Rig rig(*device);
  rig.driver.Negotiate(kVersion1Feature);
  rig.driver.AddStatus(kDriverOk);
  EXPECT_NE(rig.driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(device->metrics().activate_fails.value(), 1U);
}

TEST(RngRateTest, BytesAreLimitedAndTheRestComesInTime) {
  Bench bench(kThousandBytesASecond);
  for (int i = 0; i < 3; ++i) bench.Put(600);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 600U);
  EXPECT_EQ(bench.TakeLen(), std::nullopt);
  EXPECT_EQ(bench.device->metrics().entropy_rate_limiter_throttled.value(), 1U);
  bench.Advance(milliseconds(199));
  EXPECT_EQ(bench.TakeLen(), std::nullopt);
  bench.Advance(milliseconds(1));
  EXPECT_EQ(bench.TakeLen(), 600U);
  EXPECT_EQ(bench.TakeLen(), std::nullopt);
  bench.Advance(milliseconds(600));
  EXPECT_EQ(bench.TakeLen(), 600U);
  EXPECT_EQ(bench.device->metrics().rate_limiter_event_count.value(), 3U);
}

TEST(RngRateTest, RequestsAreLimited) {
  Bench bench(
      {.bandwidth = std::nullopt, .ops = TokenBucketOptions{.size = 2, .refill_time_ms = 1000}});
  for (int i = 0; i < 4; ++i) bench.Put(8);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 8U);
  EXPECT_EQ(bench.TakeLen(), 8U);
  EXPECT_EQ(bench.TakeLen(), std::nullopt);
  bench.Advance(milliseconds(1000));
  EXPECT_EQ(bench.TakeLen(), 8U);
  EXPECT_EQ(bench.TakeLen(), 8U);
}

// Only what is given out counts: not the length that a driver asks for beyond the bound.
TEST(RngRateTest, AHugeRequestCostsWhatItGets) {
  const uint64_t bound = RngDevice::kMaxRequestBytes;
  Bench bench({.bandwidth = TokenBucketOptions{.size = 2 * bound, .refill_time_ms = 1000},
               .ops = std::nullopt});
  bench.Put(static_cast<uint32_t>(10 * bound));
  bench.Put(static_cast<uint32_t>(10 * bound));
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), bound);
  EXPECT_EQ(bench.TakeLen(), bound);
}

TEST(RngRateTest, ARequestLargerThanTheBucketIsServedAtLast) {
  Bench bench(
      {.bandwidth = TokenBucketOptions{.size = 10, .refill_time_ms = 10}, .ops = std::nullopt});
  bench.Put(1000);
  bench.Put(1);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 1000U);
  EXPECT_EQ(bench.TakeLen(), std::nullopt);
  bench.Advance(milliseconds(991));
  EXPECT_EQ(bench.TakeLen(), 1U);
}

TEST(RngRateTest, NotificationsDuringTheWaitServeNothing) {
  Bench bench(kThousandBytesASecond);
  bench.Put(1000);
  bench.Put(1000);
  bench.Kick();
  EXPECT_EQ(bench.ring.used_flags(), 1U);  // none is asked for
  EXPECT_EQ(bench.TakeLen(), 1000U);
  for (int i = 0; i < 10; ++i) bench.Kick();
  EXPECT_EQ(bench.TakeLen(), std::nullopt);
  EXPECT_EQ(bench.device->metrics().entropy_rate_limiter_throttled.value(), 1U);
}

TEST(RngRateTest, TheTimerWakesTheDevice) {
  auto device = *RngDevice::Create(
      std::make_unique<FakeEntropy>(),
      {.rate_limiter = {.bandwidth = std::nullopt,
                        .ops = TokenBucketOptions{.size = 1, .refill_time_ms = 2}}});
  Rig rig(*device);
  DriverRing ring(rig.ram, 16);
  rig.driver.Start(kVersion1Feature, ring.place());
  for (int i = 0; i < 3; ++i) ring.Add({Segment{rig.ram.Allocate(8), 8, true}});
  ring.Publish();
  rig.driver.Notify(0);
  rig.Pump();
  while (ring.used_index() < 3) {
    pollfd timer{.fd = device->host_event_fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&timer, 1, 10000), 1);
    rig.Pump();
  }
}

TEST(RngRateTest, AResetGivesNoNewTokens) {
  Bench bench(kThousandBytesASecond);
  bench.Put(1000);
  bench.Kick();
  bench.rig.driver.Write(reg::kStatus, 0);
  DriverRing ring(bench.rig.ram, 16);
  bench.rig.driver.Start(kVersion1Feature, ring.place());
  ring.Add({Segment{bench.rig.ram.Allocate(8), 8, true}});
  ring.Publish();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_EQ(ring.used_index(), 0U);
  bench.Advance(milliseconds(8));
  EXPECT_EQ(ring.used_index(), 1U);
}

TEST(RngRateTest, AResetDropsTheRequestThatWaits) {
  Bench bench(kThousandBytesASecond);
  bench.Put(1000);
  const GuestAddress waiting = bench.Put(1000);
  bench.Kick();
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(bench.rig.driver.status(), 0U);
  bench.Advance(milliseconds(5000));
  EXPECT_EQ(bench.Bytes(waiting, 1000), std::vector<std::byte>(1000));
  EXPECT_EQ(bench.ring.used_index(), 1U);
}

TEST(RngRateTest, AfterABreachTheTimerTouchesNoRing) {
  Bench bench(kThousandBytesASecond);
  bench.Put(1000);
  bench.Put(1000);
  bench.Kick();
  bench.ring.SetAvailableIndex(1000);
  bench.Advance(milliseconds(1000));
  EXPECT_NE(bench.rig.driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(bench.ring.used_index(), 2U);
  bench.ring.SetAvailableIndex(3);
  bench.Advance(milliseconds(5000));
  EXPECT_EQ(bench.ring.used_index(), 2U);
}

TEST(RngRateTest, ADeviceCanGoAwayWithARequestThatWaits) {
  Bench bench(kThousandBytesASecond);
  bench.Put(1000);
  bench.Put(1000);
  bench.Kick();
  EXPECT_EQ(bench.ring.used_index(), 1U);
}

TEST(RngDeviceTest, PutsARequestThatWaitsBackToRest) {
  Bench bench(kThousandBytesASecond);
  bench.Put(1000);
  bench.Put(1000);
  bench.Kick();
  EXPECT_EQ(bench.TakeLen(), 1000U);
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 1);
  bench.rig.Pump();
  EXPECT_EQ(bench.TakeLen(), std::nullopt) << "it waits again";
  bench.Advance(milliseconds(1000));
  EXPECT_EQ(bench.TakeLen(), 1000U);
}

}  // namespace
}  // namespace ember::virtio::testing
