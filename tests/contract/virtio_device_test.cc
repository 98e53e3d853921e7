// What every virtio device must do, whatever it is for. A new device is added to kDevices and has
// to pass as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/base/temporary_directory.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/fake_device.h"
#include "tests/virtio/driver/fake_mem_slots.h"
#include "tests/virtio/driver/fake_net_backend.h"
#include "tests/virtio/driver/memory_disk.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/pmem/memory_store.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/block/block_device.h"
#include "virtio/console/console_device.h"
#include "virtio/mem/mem_device.h"
#include "virtio/net/net_device.h"
#include "virtio/pmem/pmem_device.h"
#include "virtio/rng/rng_device.h"
#include "virtio/saved_device.h"
#include "virtio/vsock/vsock_device.h"

namespace ember::virtio::testing {
namespace {

struct Listed {
  const char* name;
  std::function<std::unique_ptr<VirtioDevice>()> make;
};

void PrintTo(const Listed& device, std::ostream* out) { *out << device.name; }

const Listed kDevices[] = {
    {"Fake", [] { return std::make_unique<FakeDevice>(); }},
    {"Block",
     [] {
       return *BlockDevice::Create(std::make_unique<MemoryDisk>(uint64_t{1} << 20),
                                   {.drive_id = "disk",
                                    .cache_type = CacheType::kWriteback,
                                    .discard = DiscardSupport::kOffered,
                                    .queue_count = 3});
     }},
    {"Pmem", [] { return *PmemDevice::Create(std::make_unique<MemoryStore>(), {.id = "pmem"}); }},
    {"Balloon",
     [] {
       return *BalloonDevice::Create({.deflate_on_oom = true,
                                      .statistics_interval = std::chrono::hours(1),
                                      .free_page_hinting = true,
                                      .free_page_reporting = true});
     }},
    {"Console",
     [] {
       // One at a time has the paths; they go away with it.
       static const TemporaryDirectory directory;
       return *ConsoleDevice::Create(
           {.ports = {{.name = "con", .socket_path = directory.Path("con"), .is_console = true},
                      {.name = "agent", .socket_path = directory.Path("agent")}}});
     }},
    {"Rng", [] { return *RngDevice::Create(CreateHostEntropySource(), {}); }},
    {"Net",
     [] {
       return *NetDevice::Create(std::make_unique<FakeNetBackend>(),
                                 {.interface_id = "eth0", .address = MacAddress{}, .mtu = 1500});
     }},
    {"Vsock",
     [] {
       static const TemporaryDirectory directory;
       return *VsockDevice::Create({.guest_cid = 3, .uds_path = directory.Path("v")});
     }},
    {"Memory", []() -> std::unique_ptr<MemDevice> { return MakeMemDevice(); }},
};

class VirtioDeviceContract : public ::testing::TestWithParam<Listed> {
 protected:
  // Sets up all queues with rings of their largest size, and says DRIVER_OK.
  void StartAll() {
    rig.driver.Negotiate(rig.driver.DeviceFeatures());
    for (size_t i = 0; i < rings.size(); ++i) {
      ASSERT_TRUE(rig.driver.EnableQueue(static_cast<uint32_t>(i), rings[i].place()));
    }
    rig.driver.AddStatus(kDriverOk);
  }
  // As many wake-ups as a device may take over a ring of garbage; whether it came to rest.
  bool Settles() {
    for (int i = 0; i < 1000; ++i) {
      if (!rig.PumpOnce()) return true;
    }
    return false;
  }
  // Of ring entries, descriptors and indices as they come.
  void FillRingsWithGarbage(std::minstd_rand& random, uint64_t data) {
    for (DriverRing& ring : rings) {
      for (uint16_t i = 0; i < ring.size(); ++i) {
        ring.SetDescriptor(i, {.addr = random() % 16 == 0 ? random() : data + random() % 60000,
                               .len = static_cast<uint32_t>(random() % 4096),
                               .flags = static_cast<uint16_t>(random() % 4),
                               .next = static_cast<uint16_t>(random() % ring.size())});
        ring.SetAvailableEntry(i, static_cast<uint16_t>(random() % ring.size()));
      }
      ring.SetAvailableIndex(static_cast<uint16_t>(random() % (ring.size() + 1U)));
    }
  }
  // Adds the heads of what came back.
  static void TakeHeads(DriverRing& ring, std::vector<uint32_t>& heads) {
    while (const auto used = ring.TakeUsed()) heads.push_back(used->id);
  }
  static std::vector<DriverRing> MakeRings(Rig& rig, const VirtioDevice& device) {
    std::vector<DriverRing> made;
    for (const QueueSize size : device.max_queue_sizes()) {
      made.emplace_back(rig.ram, ToInteger(size), /*event_index=*/true);
    }
    return made;
  }

  std::unique_ptr<VirtioDevice> device = GetParam().make();
  Rig rig{*device};
  std::vector<DriverRing> rings = MakeRings(rig, *device);
};

TEST_P(VirtioDeviceContract, OffersOnlyFeaturesOfItsOwn) {
  EXPECT_EQ(device->offered_features().bits() & kCommonFeatures.bits(), 0U);
  EXPECT_NE(static_cast<uint32_t>(device->id()), 0U);
  EXPECT_FALSE(device->name().empty());
}

TEST_P(VirtioDeviceContract, HasQueuesOfPowersOfTwo) {
  ASSERT_FALSE(device->max_queue_sizes().empty());
  for (const QueueSize size : device->max_queue_sizes()) {
    EXPECT_TRUE(std::has_single_bit(ToInteger(size)));
    EXPECT_LE(size, kMaxQueueSize);
  }
}

TEST_P(VirtioDeviceContract, StartsWithAllItsFeaturesAndQueues) {
  StartAll();
  EXPECT_EQ(rig.driver.status(), kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  EXPECT_TRUE(Settles());
}

TEST_P(VirtioDeviceContract, SurvivesDriverOkWithoutAnyQueue) {
  rig.driver.Negotiate(kVersion1Feature);
  rig.driver.AddStatus(kDriverOk);
  rig.Pump();
  rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(rig.driver.status(), 0U);
}

TEST_P(VirtioDeviceContract, TakesAnyAccessToItsConfiguration) {
  StartAll();
  for (uint64_t offset = reg::kConfig; offset < 0x300; ++offset) {
    for (const size_t width : {1U, 2U, 4U, 8U}) {
      rig.driver.WriteWide(offset, ~uint64_t{0}, width);
      rig.driver.ReadWide(offset, width);
    }
  }
  EXPECT_EQ(rig.driver.ReadWide(0xff8, 8), 0U);
}

TEST_P(VirtioDeviceContract, MeetsABreachOnEachQueueWithNeedsReset) {
  for (size_t i = 0; i < rings.size(); ++i) {
    StartAll();
    rings[i].SetAvailableIndex(static_cast<uint16_t>(rings[i].size() + 1));
    rig.driver.Notify(static_cast<uint32_t>(i));
    ASSERT_TRUE(Settles());
    EXPECT_NE(rig.driver.status() & kNeedsReset, 0U) << i;
    rings[i].SetAvailableIndex(0);
  }
}

TEST_P(VirtioDeviceContract, LivesThroughRingsOfGarbage) {
  std::minstd_rand random(1);
  const uint64_t data = ToInteger(rig.ram.Allocate(65536));
  for (int round = 0; round < 300; ++round) {
    FillRingsWithGarbage(random, data);
    StartAll();
    ASSERT_TRUE(Settles());
    rig.driver.Write(reg::kStatus, 0);
    ASSERT_EQ(rig.driver.status(), 0U);
  }
}

TEST_P(VirtioDeviceContract, TouchesNoRingAfterReset) {
  StartAll();
  rig.Pump();
  for (DriverRing& ring : rings) {
    ring.Add({Segment{rig.ram.Allocate(64), 64, true}});
    ring.Publish();
  }
  std::vector<uint16_t> used;
  for (const DriverRing& ring : rings) used.push_back(ring.used_index());
  for (uint32_t i = 0; i < rings.size(); ++i) rig.driver.Notify(i);
  rig.driver.Write(reg::kStatus, 0);
  rig.Pump();
  for (size_t i = 0; i < rings.size(); ++i) EXPECT_EQ(rings[i].used_index(), used[i]);
}

TEST_P(VirtioDeviceContract, ComesToRestAmidRingsOfGarbageAndGoesOn) {
  std::minstd_rand random(2);
  const uint64_t data = ToInteger(rig.ram.Allocate(65536));
  for (int round = 0; round < 100; ++round) {
    FillRingsWithGarbage(random, data);
    StartAll();
    for (int i = 0; i < 4; ++i) {
      rig.Save();
      rig.PumpOnce();
    }
    ASSERT_TRUE(Settles());
    rig.driver.Write(reg::kStatus, 0);
  }
}

TEST_P(VirtioDeviceContract, GoesOnInAnotherMachineWhereItStood) {
  StartAll();
  rig.Pump();
  for (DriverRing& ring : rings) {
    for (int i = 0; i < 3; ++i) ring.Add({Segment{rig.ram.Allocate(64), 64, true}});
    ring.Publish();
  }
  for (uint32_t i = 0; i < rings.size(); ++i) rig.driver.Notify(i);
  rig.PumpOnce();
  const uint32_t status = rig.driver.status();
  const SavedMmio saved = rig.Save();
  std::vector<std::vector<uint32_t>> heads(rings.size());
  for (size_t i = 0; i < rings.size(); ++i) TakeHeads(rings[i], heads[i]);

  // Paths that a device has are free once it is gone.
  rig.transport.reset();
  device.reset();
  device = GetParam().make();
  Rig copy(*device, std::move(rig.ram));
  ASSERT_TRUE(copy.transport->Restore(saved));
  EXPECT_EQ(copy.driver.status(), status);
  for (int i = 0; i < 1000 && copy.PumpOnce(); ++i) {
  }
  for (size_t i = 0; i < rings.size(); ++i) {
    TakeHeads(rings[i], heads[i]);
    std::ranges::sort(heads[i]);
    EXPECT_EQ(std::ranges::adjacent_find(heads[i]), heads[i].end()) << "answered twice in " << i;
  }
  copy.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(copy.driver.status(), 0U);
}

TEST_P(VirtioDeviceContract, CanGoAwayWhileActive) {
  StartAll();
  EXPECT_EQ(rig.driver.status() & kDriverOk, kDriverOk);
}

INSTANTIATE_TEST_SUITE_P(Devices, VirtioDeviceContract, ::testing::ValuesIn(kDevices),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace ember::virtio::testing
