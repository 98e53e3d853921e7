// A driver on one or several threads and a device on another, as in a machine. Under
// ThreadSanitizer this shows that the memory orders hold (shared/virtio.md, 7 and 13).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "tests/virtio/driver/block_driver.h"
#include "tests/virtio/driver/fake_device.h"
#include "tests/virtio/driver/memory_disk.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/block/block_device.h"
#include "virtio/saved_device.h"

namespace ember::virtio::testing {
namespace {

// Waits for the next used buffer the way a driver does: asks for an interrupt, looks again, sleeps.
UsedEntry WaitForUsed(Rig& rig, DriverRing& ring) {
  for (;;) {
    const int seen = rig.line.count();
    ring.RequestEvent();
    if (const auto used = ring.TakeUsed()) return *used;
    rig.line.WaitWhile(seen);
  }
}

class ConcurrencyTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(ConcurrencyTest, LosesNoNotificationAndNoInterrupt) {
  constexpr int kRequests = 20000;
  FakeDevice device;
  Rig rig(device);
  DriverRing ring(rig.ram, 16, GetParam() != 0);
  const Segment data{rig.ram.Allocate(8), 8, true};
  const DeviceThread thread(rig.state());
  rig.driver.Start(kVersion1Feature | GetParam(), ring.place());
  std::minstd_rand random(1);
  int in_flight = 0;
  for (int sent = 0; sent < kRequests || in_flight > 0;) {
    const size_t burst = 1 + random() % 16;
    for (size_t i = 0; i < burst && ring.free_descriptors() > 0 && sent < kRequests; ++i) {
      ring.Add({data});
      ++sent;
      ++in_flight;
    }
    if (ring.Publish()) rig.driver.Notify(0);
    do {
      const UsedEntry used = WaitForUsed(rig, ring);
      ASSERT_EQ(used.len, 8U);
      --in_flight;
    } while (in_flight > 0 && random() % 4 != 0);
  }
  EXPECT_EQ(ring.used_index(), static_cast<uint16_t>(kRequests));
  EXPECT_EQ(rig.driver.status() & kNeedsReset, 0U);
}

TEST_P(ConcurrencyTest, KeepsBlockDataWhole) {
  const std::unique_ptr<BlockDevice> device =
      *BlockDevice::Create(std::make_unique<MemoryDisk>(uint64_t{1} << 20), {.drive_id = "disk"});
  Rig rig(*device);
  const DeviceThread thread(rig.state());
  BlockDriver driver(rig, GetParam());
  const GuestAddress data = rig.ram.Allocate(4096);
  for (unsigned i = 0; i < 2000; ++i) {
    const std::span<std::byte> bytes = rig.ram.Bytes(data, 4096);
    std::ranges::fill(bytes, static_cast<std::byte>(i));
    driver.Put(kBlockOut, 8 * (i % 256), data, 4096);
    driver.Kick();
    WaitForUsed(rig, driver.ring());
    std::ranges::fill(bytes, std::byte{0xee});
    driver.Put(kBlockIn, 8 * (i % 256), data, 4096);
    driver.Kick();
    WaitForUsed(rig, driver.ring());
    ASSERT_EQ(bytes[0], static_cast<std::byte>(i));
    ASSERT_EQ(bytes[4095], static_cast<std::byte>(i));
  }
}

// As a snapshot is made: the vCPUs are paused, and devices' threads are not.
TEST_P(ConcurrencyTest, AHeldDeviceStandsStillAndGoesOn) {
  const std::unique_ptr<BlockDevice> device =
      *BlockDevice::Create(std::make_unique<MemoryDisk>(uint64_t{1} << 20), {.drive_id = "disk"});
  Rig rig(*device);
  const DeviceThread thread(rig.state());
  BlockDriver driver(rig, GetParam());
  const GuestAddress data = rig.ram.Allocate(uint64_t{4} * 4096);
  std::vector<std::byte> copy(size_t{4} * 4096);
  for (int round = 0; round < 500; ++round) {
    for (uint64_t i = 0; i < 4; ++i) driver.Put(kBlockIn, 8 * i, data + 4096 * i, 4096);
    driver.Kick();
    {
      DeviceHold hold(rig.state());
      const Result<SavedMmio> saved = rig.transport->Save(hold);
      ASSERT_TRUE(saved) << saved.error().message();
      ASSERT_EQ(saved->device.queues[0].position, driver.ring().used_index());
      // These reads race with the device's writes, were there any.
      std::ranges::copy(rig.ram.Bytes(data, copy.size()), copy.begin());
      ASSERT_EQ(saved->device.queues[0].position, driver.ring().used_index());
    }
    for (int i = 0; i < 4; ++i) WaitForUsed(rig, driver.ring());
  }
  EXPECT_EQ(rig.driver.status() & kNeedsReset, 0U);
}

INSTANTIATE_TEST_SUITE_P(Suppression, ConcurrencyTest, ::testing::Values(0, kEventIndexFeature64),
                         [](const auto& test) {
                           return std::string(test.param != 0 ? "EventIndex" : "Flags");
                         });

TEST(ConcurrentResetTest, LeavesNothingWritingAfterTheStatusReadsZero) {
  FakeDevice device;
  Rig rig(device);
  const DeviceThread thread(rig.state());
  std::minstd_rand random(2);
  const GuestAddress data = rig.ram.Allocate(4096, 4096);
  const DriverRing place(rig.ram, 16);
  for (int round = 0; round < 300; ++round) {
    DriverRing ring(rig.ram.memory(), place.place());
    ring.StartAt(0);
    std::ranges::fill(rig.ram.Bytes(data, 4096), std::byte{0});
    rig.driver.Start(kVersion1Feature, ring.place());
    for (int i = 0; i < 16; ++i) ring.Add({Segment{data, 4096, true}});
    ring.Publish();
    rig.driver.Notify(0);
    // Some instant or other while it works.
    for (auto spin = random() % 2000; spin > 0; --spin) rig.driver.Read(reg::kInterruptStatus);
    rig.driver.Write(reg::kStatus, 0);
    ASSERT_EQ(rig.driver.status(), 0U);
    const uint16_t used = ring.used_index();
    // These writes race with the device's, were there any.
    std::ranges::fill(rig.ram.Bytes(data, 4096), std::byte{0x11});
    std::ranges::fill(rig.ram.Bytes(ring.place().used + 4, 128), std::byte{0x11});
    rig.driver.Notify(0);
    for (int i = 0; i < 200; ++i) rig.driver.Read(reg::kInterruptStatus);
    ASSERT_EQ(ring.used_index(), used);
    ASSERT_EQ(rig.ram.Bytes(data, 4096)[4095], std::byte{0x11});
    ASSERT_EQ(rig.driver.Read(reg::kInterruptStatus), 0U);
  }
}

TEST(ConcurrentDriversTest, SurviveAnyRegisterWritesFromSeveralThreads) {
  FakeDevice device;
  Rig rig(device);
  const DriverRing ring(rig.ram, 16);
  const DeviceThread thread(rig.state());
  const auto write_anything = [&](unsigned seed) {
    std::minstd_rand random(seed);
    for (int i = 0; i < 20000; ++i) {
      switch (random() % 8) {
        case 0:
          rig.driver.Start(kVersion1Feature, ring.place());
          break;
        case 1:
          rig.driver.Write(reg::kStatus, 0);
          break;
        case 2:
          rig.state().ConfigChanged();
          break;
        default:
          rig.driver.Write(4 * (random() % 96), static_cast<uint32_t>(random() % 16));
          rig.driver.ReadWide(random() % 0x110, 4);
      }
    }
  };
  {
    const Thread first = *Thread::Start("vcpu-0", [&] { write_anything(1); });
    const Thread second = *Thread::Start("vcpu-1", [&] { write_anything(2); });
  }
  rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(rig.driver.status(), 0U);
  EXPECT_GT(device.activations, 0);
}

TEST(ConcurrentConfigTest, GivesNoMixtureOfOldAndNewWithinOneGeneration) {
  FakeDevice device;
  Rig rig(device);
  rig.driver.Acknowledge();
  std::atomic<bool> stop{false};
  // Two words that are always equal, changed by another driver thread's whole writes.
  const Thread writer = *Thread::Start("writer", [&] {
    for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
      const uint64_t word = i & 0xffffffff;
      rig.driver.WriteWide(reg::kConfig, word << 32 | word, 8);
      rig.state().ConfigChanged();
    }
  });
  while (rig.driver.Read(reg::kConfigGeneration) < 5000) {
    const uint64_t value = rig.driver.ReadWide(reg::kConfig, 8);
    if (value >> 32 != (value & 0xffffffff)) {
      ADD_FAILURE() << "torn: " << value;
      break;
    }
  }
  stop.store(true, std::memory_order_relaxed);
}

#if !defined(__SANITIZE_THREAD__)
// The races here are the driver's own fault, on plain memory: ThreadSanitizer would be right.
TEST(ConcurrentHostileTest, SurvivesRingsThatChangeUnderIt) {
  const std::unique_ptr<BlockDevice> device =
      *BlockDevice::Create(std::make_unique<MemoryDisk>(uint64_t{1} << 20), {.drive_id = "disk"});
  Rig rig(*device);
  DriverRing ring(rig.ram, 16);
  const uint64_t data = ToInteger(rig.ram.Allocate(65536));
  const DeviceThread thread(rig.state());
  std::atomic<bool> stop{false};
  const Thread scribbler = *Thread::Start("scribbler", [&] {
    std::minstd_rand random(3);
    while (!stop.load(std::memory_order_relaxed)) {
      const auto slot = static_cast<uint16_t>(random() % 16);
      const bool wild = random() % 4096 == 0;
      const bool header = slot % 2 == 0;
      ring.SetDescriptor(slot, {.addr = wild ? random() * random() : data + random() % 60000,
                                .len = wild ? static_cast<uint32_t>(random() * 3) : 16,
                                .flags = header ? kNext : kWrite,
                                .next = static_cast<uint16_t>(random() % 16 | 1)});
      ring.SetAvailableEntry(slot, static_cast<uint16_t>(random() % 8 * 2));
    }
  });
  for (int round = 0; round < 300; ++round) {
    ring.StartAt(0);
    rig.driver.Start(kVersion1Feature, ring.place());
    for (int i = 0; i < 100; ++i) {
      ring.SetAvailableIndex(static_cast<uint16_t>(ring.used_index() + 4));
      rig.driver.Notify(0);
    }
    rig.driver.Write(reg::kStatus, 0);
    EXPECT_EQ(rig.driver.status(), 0U);
  }
  stop.store(true, std::memory_order_relaxed);
  EXPECT_GT(rig.state().metrics().activations.value(), 0U);
}
#endif

}  // namespace
}  // namespace ember::virtio::testing
