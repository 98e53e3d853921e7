#include "virtio/vhost_user/block_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/vhost_user/fake_back_end.h"

namespace ember::virtio::vhost_user::testing {
namespace {

using ::ember::virtio::testing::DriverRing;
using ::ember::virtio::testing::kDriverOk;
using ::ember::virtio::testing::kFeaturesOk;
using ::ember::virtio::testing::kNeedsReset;
using ::ember::virtio::testing::kVersion1Feature;
using ::ember::virtio::testing::Rig;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace reg = ::ember::virtio::testing::reg;

constexpr uint64_t kFlush = uint64_t{1} << VIRTIO_BLK_F_FLUSH;

bool IsReadable(const Fd& eventfd) {
  uint64_t count = 0;
  return ::read(eventfd.get(), &count, sizeof(count)) == sizeof(count);
}

void Signal(const Fd& eventfd) {
  const uint64_t one = 1;
  ASSERT_EQ(::write(eventfd.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
}

class VhostUserBlockTest : public ::testing::Test {
 protected:
  BlockDevice::Options Options(uint32_t queue_count = 1) {
    return {.drive_id = "a",
            .socket_path = back_end.path(),
            .cache_type = CacheType::kWriteback,
            .queue_count = queue_count,
            .timeout = std::chrono::milliseconds(10'000)};
  }
  void Create(const BlockDevice::Options& options) {
    back_end.Start();
    Result<std::unique_ptr<BlockDevice>> made = BlockDevice::Create(options);
    ASSERT_TRUE(made.has_value()) << made.error().message();
    device = *std::move(made);
    rig = std::make_unique<Rig>(*device, GuestMemory::Options{.backing = MemoryBacking::kMemfd});
    ring = std::make_unique<DriverRing>(rig->ram, 64);
  }
  // The driver's part, up to DRIVER_OK.
  void StartDriver(uint64_t features = kVersion1Feature | kFlush) {
    rig->driver.Start(features, ring->place());
  }
  std::string CreateError() {
    back_end.Start();
    const auto made = BlockDevice::Create(Options());
    return made ? std::string() : made.error().message();
  }

  // A device that does not wait long; a host with much to do may need several tries.
  void CreateImpatient() {
    device.reset();
    BlockDevice::Options options = Options();
    options.timeout = std::chrono::milliseconds(30);
    for (int i = 0; i < 200 && device == nullptr; ++i) {
      auto made = BlockDevice::Create(options);
      if (made) device = *std::move(made);
    }
    ASSERT_NE(device, nullptr);
  }

  FakeBackEnd back_end;
  std::unique_ptr<BlockDevice> device;
  std::unique_ptr<Rig> rig;
  std::unique_ptr<DriverRing> ring;
};

TEST_F(VhostUserBlockTest, OffersWhatTheBackEndCanDo) {
  Create(Options());
  EXPECT_EQ(device->offered_features(), (Features{VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_BLK_SIZE}));
  EXPECT_EQ(device->queue_features(), kCommonFeatures);
  EXPECT_EQ(device->max_queue_sizes().size(), 1U);
  EXPECT_EQ(device->name(), "vhost-user block a");
  EXPECT_EQ(back_end.WithSeen([](auto& seen) { return seen.protocol_features; }),
            kProtocolMq | kProtocolReplyAck | kProtocolConfig);
}

TEST_F(VhostUserBlockTest, OffersNoFlushWhereTheCacheIsUnsafe) {
  BlockDevice::Options options = Options();
  options.cache_type = CacheType::kUnsafe;
  Create(options);
  EXPECT_FALSE(device->offered_features().Has(VIRTIO_BLK_F_FLUSH));
}

TEST_F(VhostUserBlockTest, OffersNoQueueFeatureThatTheBackEndLacks) {
  back_end.features &= ~(uint64_t{3} << 28);
  Create(Options());
  EXPECT_EQ(rig->driver.DeviceFeatures() & kCommonFeatures.bits(), kVersion1Feature);
}

TEST_F(VhostUserBlockTest, HasAsManyQueuesAsBothWant) {
  Create(Options(8));
  EXPECT_EQ(device->max_queue_sizes().size(), 4U);
  EXPECT_TRUE(device->offered_features().Has(VIRTIO_BLK_F_MQ));
  EXPECT_EQ(rig->driver.ReadWide(reg::kConfig + offsetof(virtio_blk_config, num_queues), 2), 4U);
}

TEST_F(VhostUserBlockTest, ShowsTheBackEndsConfiguration) {
  Create(Options());
  EXPECT_EQ(rig->driver.ReadWide(reg::kConfig, 8), 0x0807060504030201U);
  EXPECT_EQ(rig->driver.ReadWide(reg::kConfig + 60, 4), 0U);
}

TEST_F(VhostUserBlockTest, RefusesABackEndWithoutWhatItNeeds) {
  back_end.features &= ~(uint64_t{1} << 32);
  EXPECT_THAT(CreateError(), HasSubstr("without virtio 1"));
}

TEST_F(VhostUserBlockTest, RefusesABackEndWithoutConfiguration) {
  back_end.protocol_features &= ~kProtocolConfig;
  EXPECT_THAT(CreateError(), HasSubstr("without configuration messages"));
}

TEST_F(VhostUserBlockTest, RefusesABackEndWithoutQueues) {
  back_end.queues = 0;
  EXPECT_THAT(CreateError(), HasSubstr("serves 0 queues"));
}

TEST_F(VhostUserBlockTest, NamesTheSocketThatIsNotThere) {
  const auto made = BlockDevice::Create({.drive_id = "a", .socket_path = "/nonexistent/socket"});
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message(), HasSubstr("/nonexistent/socket"));
  const auto long_path =
      BlockDevice::Create({.drive_id = "a", .socket_path = std::string(200, 'p')});
  ASSERT_FALSE(long_path.has_value());
  EXPECT_THAT(long_path.error().message(), HasSubstr("200 bytes"));
}

TEST_F(VhostUserBlockTest, HandsOverMemoryAndQueue) {
  Create(Options());
  StartDriver();
  ASSERT_EQ(rig->driver.status() & (kDriverOk | kNeedsReset), kDriverOk);
  back_end.WithSeen([&](const FakeBackEnd::Seen& seen) {
    EXPECT_EQ(seen.features, kVersion1Feature | kFlush | (uint64_t{1} << 30));
    EXPECT_EQ(seen.memory.region_count, 2U);
    EXPECT_EQ(seen.memory_fds.size(), 2U);
    const auto regions = rig->ram.memory().regions();
    for (size_t i = 0; i < regions.size(); ++i) {
      EXPECT_EQ(seen.memory.regions[i].guest_address, ToInteger(regions[i].range.start));
      EXPECT_EQ(seen.memory.regions[i].size_bytes, regions[i].range.size_bytes);
      EXPECT_EQ(seen.memory.regions[i].mmap_offset, regions[i].memfd_offset_bytes);
    }
    const uint64_t low = seen.memory.regions[0].user_address;
    EXPECT_EQ(seen.sizes.at(0), 64U);
    EXPECT_EQ(seen.addresses.at(0).descriptors - low, ToInteger(ring->place().descriptors));
    EXPECT_EQ(seen.addresses.at(0).available - low, ToInteger(ring->place().available));
    EXPECT_EQ(seen.addresses.at(0).used - low, ToInteger(ring->place().used));
    EXPECT_EQ(seen.enabled.at(0), 1U);
  });
}

TEST_F(VhostUserBlockTest, LetsTheBackEndHearTheDriverAndTheOtherWayRound) {
  Create(Options());
  StartDriver();
  const int before = rig->line.count();
  back_end.WithSeen([&](FakeBackEnd::Seen& seen) {
    EXPECT_TRUE(IsReadable(seen.kicks.at(0)));  // for buffers from before DRIVER_OK
    rig->driver.Notify(0);
    rig->Pump();
    EXPECT_TRUE(IsReadable(seen.kicks.at(0)));
    Signal(seen.calls.at(0));
  });
  EXPECT_EQ(rig->Pump(), 1);
  EXPECT_EQ(rig->line.count(), before + 1);
  EXPECT_EQ(rig->driver.Read(reg::kInterruptStatus), 1U);
}

TEST_F(VhostUserBlockTest, StopsTheQueueOnReset) {
  Create(Options());
  StartDriver();
  rig->driver.Write(reg::kStatus, 0);
  EXPECT_EQ(rig->driver.status(), 0U);
  back_end.WithSeen([&](FakeBackEnd::Seen& seen) {
    EXPECT_EQ(seen.requests.back(), Request::kGetVringBase);
    Signal(seen.calls.at(0));
  });
  const int before = rig->line.count();
  rig->Pump();
  EXPECT_EQ(rig->line.count(), before);
  StartDriver();
  EXPECT_EQ(rig->driver.status() & (kDriverOk | kNeedsReset), kDriverOk);
}

TEST_F(VhostUserBlockTest, WorksWithABackEndThatDoesNotAcknowledge) {
  back_end.protocol_features = kProtocolConfig;
  Create(Options(4));
  EXPECT_EQ(device->max_queue_sizes().size(), 1U);
  StartDriver();
  EXPECT_EQ(rig->driver.status() & (kDriverOk | kNeedsReset), kDriverOk);
  rig->driver.Write(reg::kStatus, 0);
  EXPECT_EQ(back_end.WithSeen([](auto& seen) { return seen.enabled.at(0); }), 1U);
}

TEST_F(VhostUserBlockTest, FailsActivationWhereTheBackEndRefuses) {
  Create(Options());
  back_end.Change([&] { back_end.acknowledgement = 1; });
  StartDriver();
  EXPECT_NE(rig->driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(device->metrics().activate_fails.value(), 1U);
}

TEST_F(VhostUserBlockTest, FailsActivationWithoutAQueue) {
  Create(Options());
  rig->driver.Negotiate(kVersion1Feature);
  rig->driver.AddStatus(kDriverOk);
  EXPECT_NE(rig->driver.status() & kNeedsReset, 0U);
}

TEST_F(VhostUserBlockTest, FailsActivationInMemoryThatCannotBeShared) {
  back_end.Start();
  device = *BlockDevice::Create(Options());
  Rig unshared(*device);
  DriverRing its_ring(unshared.ram, 64);
  unshared.driver.Start(kVersion1Feature, its_ring.place());
  EXPECT_NE(unshared.driver.status() & kNeedsReset, 0U);
}

TEST_F(VhostUserBlockTest, TellsTheDriverThatTheBackEndIsGone) {
  Create(Options());
  StartDriver();
  back_end.Disconnect();
  rig->Pump();
  EXPECT_NE(rig->driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(rig->state().metrics().device_failures.value(), 1U);
  EXPECT_EQ(rig->state().metrics().breaches.value(), 0U);
  rig->driver.Write(reg::kStatus, 0);
  EXPECT_EQ(rig->driver.status(), 0U);
}

TEST_F(VhostUserBlockTest, ConnectsAnewWhenTheDriverIsReadyAgain) {
  Create(Options());
  StartDriver();
  back_end.Disconnect();
  rig->Pump();
  rig->driver.Write(reg::kStatus, 0);
  StartDriver();
  EXPECT_EQ(rig->driver.status() & (kDriverOk | kNeedsReset), kDriverOk);
  EXPECT_EQ(back_end.WithSeen([](auto& seen) { return seen.enabled.at(0); }), 1U);
}

TEST_F(VhostUserBlockTest, RefusesALaterBackEndThatCanDoLess) {
  Create(Options());
  back_end.Disconnect();
  rig->Pump();
  back_end.Change([&] { back_end.features &= ~kFlush; });
  StartDriver();
  EXPECT_NE(rig->driver.status() & kNeedsReset, 0U);
}

TEST_F(VhostUserBlockTest, GivesUpABackEndThatSpeaksOutOfTurn) {
  Create(Options());
  StartDriver();
  back_end.Chatter();
  rig->Pump();
  EXPECT_NE(rig->driver.status() & kNeedsReset, 0U);
}

TEST_F(VhostUserBlockTest, ReadsTheConfigurationAgainWhenAsked) {
  Create(Options());
  EXPECT_FALSE(*device->RefreshConfig());
  back_end.Change([&] { back_end.config[0] = std::byte{0x77}; });
  EXPECT_TRUE(*device->RefreshConfig());
  EXPECT_EQ(rig->driver.ReadWide(reg::kConfig, 1), 0x77U);
  back_end.Disconnect();
  rig->Pump();
  EXPECT_FALSE(device->RefreshConfig().has_value());
  EXPECT_EQ(device->metrics().cfg_fails.value(), 1U);
}

TEST_F(VhostUserBlockTest, CountsWritesToItsConfiguration) {
  Create(Options());
  StartDriver();
  rig->driver.WriteWide(reg::kConfig, 1, 4);
  EXPECT_EQ(device->metrics().cfg_fails.value(), 1U);
}

TEST_F(VhostUserBlockTest, OutlivesEveryFaultInEveryAnswerWhenItIsMade) {
  back_end.Start();
  BlockDevice::Options options = Options();
  options.timeout = std::chrono::milliseconds(30);
  for (const Request request : {Request::kGetFeatures, Request::kGetProtocolFeatures,
                                Request::kGetQueueNum, Request::kGetConfig}) {
    for (const Fault fault : kAllFaults) {
      back_end.SetFault(request, fault);
      EXPECT_FALSE(BlockDevice::Create(options).has_value())
          << static_cast<int>(request) << " " << static_cast<int>(fault);
    }
  }
}

TEST_F(VhostUserBlockTest, OutlivesEveryFaultInEveryAnswerWhileItWorks) {
  back_end.Start();
  CreateImpatient();
  rig = std::make_unique<Rig>(*device, GuestMemory::Options{.backing = MemoryBacking::kMemfd});
  ring = std::make_unique<DriverRing>(rig->ram, 64);
  for (const Request request :
       {Request::kSetFeatures, Request::kSetMemTable, Request::kSetVringNum, Request::kSetVringBase,
        Request::kSetVringAddr, Request::kSetVringCall, Request::kSetVringKick,
        Request::kSetVringEnable, Request::kGetVringBase}) {
    for (const Fault fault : kAllFaults) {
      back_end.SetFault(request, fault);
      StartDriver();
      rig->driver.Write(reg::kStatus, 0);
      ASSERT_EQ(rig->driver.status(), 0U);
      rig->Pump();
    }
  }
}

TEST_F(VhostUserBlockTest, OutlivesEveryFaultInAConfigurationAskedForAgain) {
  back_end.Start();
  for (const Fault fault : kAllFaults) {
    back_end.SetFault(std::nullopt, fault);
    CreateImpatient();
    back_end.SetFault(Request::kGetConfig, fault);
    EXPECT_FALSE(device->RefreshConfig().has_value()) << static_cast<int>(fault);
  }
}

TEST_F(VhostUserBlockTest, WaitsNoLongerThanItsTimeout) {
  back_end.Start();
  back_end.SetFault(Request::kGetConfig, Fault::kSilence);
  BlockDevice::Options options = Options();
  options.timeout = std::chrono::milliseconds(50);
  const auto start = MonotonicClock().Now();
  const auto made = BlockDevice::Create(options);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message(), HasSubstr("does not answer in time"));
  EXPECT_GE(MonotonicClock().Now() - start, std::chrono::milliseconds(50));
}

}  // namespace
}  // namespace ember::virtio::vhost_user::testing
