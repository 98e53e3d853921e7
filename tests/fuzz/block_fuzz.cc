// A block device whose rings, requests and data are the input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/log.h"
#include "tests/virtio/driver/memory_disk.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/block/block_device.h"

namespace {

using ember::Access;
using ember::GuestAddress;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kRings{0x1000};
constexpr RingPlace kPlace{
    .size = 16, .descriptors = kRings, .available = kRings + 0x100, .used = kRings + 0x200};
constexpr int kMaxWakeUps = 8;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  auto disk = std::make_unique<MemoryDisk>(
      64 * 512, (mode & 1) != 0 ? Access::kReadOnly : Access::kReadWrite);
  if ((mode & 2) != 0) {
    for (size_t call = mode % 7; call < 64; call += 3) {
      disk->faults[call] = static_cast<MemoryDisk::Fault>((mode >> 4) % 4);
    }
  }
  BlockDevice device(std::move(disk),
                     {.drive_id = "fuzz",
                      .cache_type = (mode & 4) != 0 ? CacheType::kWriteback : CacheType::kUnsafe});
  Rig rig(device, /*track_dirty_pages=*/true);
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), data + 1, std::min(size - 1, bytes.size()));

  const uint64_t wanted = (mode & 8) != 0 ? rig.driver.DeviceFeatures() : kVersion1Feature;
  rig.driver.Start(wanted, kPlace);
  rig.driver.Notify(0);
  for (int i = 0; i < kMaxWakeUps && rig.PumpOnce(); ++i) {
  }
  rig.driver.Write(reg::kStatus, 0);
  return 0;
}
