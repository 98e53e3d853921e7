#ifndef EMBER_TESTS_VIRTIO_MEM_MEM_BENCH_H_
#define EMBER_TESTS_VIRTIO_MEM_MEM_BENCH_H_

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/fake_mem_slots.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/mem/mem_device.h"

namespace ember::virtio::testing {

// As the specification prints them (virtio 1.2, 5.15.3, 5.15.4 and 5.15.6).
inline constexpr uint64_t kInaccessibleFeature = 1 << 1;
inline constexpr uint64_t kBlockSizeOffset = reg::kConfig + 0;
inline constexpr uint64_t kAddrOffset = reg::kConfig + 16;
inline constexpr uint64_t kRegionSizeOffset = reg::kConfig + 24;
inline constexpr uint64_t kUsableSizeOffset = reg::kConfig + 32;
inline constexpr uint64_t kPluggedSizeOffset = reg::kConfig + 40;
inline constexpr uint64_t kRequestedSizeOffset = reg::kConfig + 48;
inline constexpr uint16_t kPlug = 0;
inline constexpr uint16_t kUnplug = 1;
inline constexpr uint16_t kUnplugAll = 2;
inline constexpr uint16_t kState = 3;
inline constexpr uint16_t kAck = 0;
inline constexpr uint16_t kNack = 1;
inline constexpr uint16_t kBusy = 2;
inline constexpr uint16_t kError = 3;
inline constexpr uint16_t kPlugged = 0;
inline constexpr uint16_t kUnplugged = 1;
inline constexpr uint16_t kMixed = 2;
inline constexpr uint32_t kRequestBytes = 24;
inline constexpr uint32_t kResponseBytes = 10;

inline constexpr uint64_t kMemPage = 4096;

// Where block `index` of the region begins.
inline uint64_t BlockAt(uint64_t index) { return kMemStart + index * kMemBlock; }

// A memory device, its driver, and the client that asked for the whole region.
struct MemBench {
  struct Response {
    uint16_t type = UINT16_MAX;
    uint16_t state = UINT16_MAX;
    uint32_t used_len = 0;
    friend bool operator==(const Response&, const Response&) = default;
  };

  explicit MemBench(uint64_t requested_bytes = kMemBytes, bool track_dirty_pages = false)
      : MemBench(GuestRam(MemOptions(track_dirty_pages)), requested_bytes) {}

  void Start() {
    const uint64_t features = kInaccessibleFeature | kVersion1Feature;
    ring.emplace(rig.ram, uint16_t{16});
    rig.driver.Start(features, ring->place());
  }
  Status Request(uint64_t bytes) {
    return rig.state().WithDevice([&] { return device->SetRequestedSize(bytes); });
  }

  // A request, answered.
  Response Do(uint16_t type, uint64_t addr = 0, uint16_t count = 0) {
    Send(type, addr, count);
    rig.Pump();
    return Take();
  }
  void Send(uint16_t type, uint64_t addr, uint16_t count) {
    std::memset(request_bytes().data(), 0xee, kRequestBytes);  // the padding, too
    Must(rig.ram.memory().Write(request, type));
    Must(rig.ram.memory().Write(request + 8, addr));
    Must(rig.ram.memory().Write(request + 16, count));
    ring->Add({{request, kRequestBytes, false}, {response, kResponseBytes, true}});
    ring->Publish();
    rig.driver.Notify(0);
  }
  Response Take() {
    const std::optional<UsedEntry> used = ring->TakeUsed();
    if (!used) return {};
    const auto& memory = rig.ram.memory();
    return {.type = *memory.Read<uint16_t>(response),
            .state = *memory.Read<uint16_t>(response + 8),
            .used_len = used->len};
  }
  uint16_t Plug(uint64_t block, uint16_t count = 1) {
    return Do(kPlug, BlockAt(block), count).type;
  }
  uint16_t Unplug(uint64_t block, uint16_t count = 1) {
    return Do(kUnplug, BlockAt(block), count).type;
  }
  // What a STATE request says, or nothing where it fails.
  std::optional<uint16_t> State(uint64_t block, uint16_t count = 1) {
    const Response answer = Do(kState, BlockAt(block), count);
    if (answer.type != kAck) return std::nullopt;
    return answer.state;
  }

  uint64_t Config(uint64_t offset) const { return rig.driver.ReadWide(offset, 8); }
  bool needs_reset() const { return (rig.driver.status() & kNeedsReset) != 0; }
  const MemMetrics& metrics() const { return device->metrics(); }
  PluggableMemory& pluggable() const { return *rig.ram.memory().pluggable(); }

  // As a processor does it, which sees the slot whether the block is plugged or not.
  void TouchBlock(uint64_t block) const {
    std::memset(pluggable().host() + block * kMemBlock, 0x5a, kMemBlock);
  }
  uint64_t ResidentBytes() const {
    std::vector<unsigned char> pages(kMemBytes / kMemPage);
    if (::mincore(pluggable().host(), kMemBytes, pages.data()) < 0) return UINT64_MAX;
    uint64_t bytes = 0;
    for (const unsigned char page : pages) bytes += (page & 1U) * kMemPage;
    return bytes;
  }

  std::shared_ptr<FakeMemSlots::Record> slots = std::make_shared<FakeMemSlots::Record>();
  std::unique_ptr<MemDevice> device;
  Rig rig;
  std::optional<DriverRing> ring;
  GuestAddress request = rig.ram.Allocate(kRequestBytes);
  GuestAddress response = rig.ram.Allocate(kResponseBytes);

 private:
  MemBench(GuestRam ram, uint64_t requested_bytes)
      : device(*MemDevice::Create({.memory = ram.memory(),
                                   .slot_bytes = kMemSlot,
                                   .slots = std::make_unique<FakeMemSlots>(slots)})),
        rig(*device, std::move(ram)) {
    Start();
    EXPECT_TRUE(Request(requested_bytes).has_value());
  }
  std::span<std::byte> request_bytes() const { return rig.ram.Bytes(request, kRequestBytes); }
  static void Must(const Status& status) { EXPECT_TRUE(status.has_value()); }
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_MEM_MEM_BENCH_H_
