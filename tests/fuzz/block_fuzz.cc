// A block device whose rings, requests and data are the input, with either kind of engine.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/log.h"
#include "tests/virtio/block/scripted_engine.h"
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
constexpr size_t kMaxWakeUps = 8;
const ember::RateLimiterOptions kFewOperations{
    .ops = ember::TokenBucketOptions{.size = 2, .refill_time_ms = 1'000'000}};

// Ends a call that is in flight: as it should, short, put off or with an error.
void FinishOne(ScriptedEngine& engine, uint8_t how) {
  if (engine.in_flight.empty()) return;
  const size_t index = how % engine.in_flight.size();
  const auto& pieces = engine.in_flight[index].call.pieces;
  switch (how >> 6) {
    case 0:
      return engine.Finish(index);
    case 1:
      if (!pieces.empty()) return engine.FinishShort(index, pieces[0].iov_len / 2);
      return engine.Finish(index);
    case 2:
      return engine.FinishWith(index, ember::Error::FromErrorNumber("put off", EAGAIN));
    default:
      return engine.FinishWith(index, ember::Error::FromErrorNumber("failed", EIO));
  }
}

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
  std::unique_ptr<ScriptedEngine> owned_engine;
  if ((mode & 0x80) != 0) owned_engine = std::make_unique<ScriptedEngine>(*disk, /*depth=*/4);
  ScriptedEngine* const engine = owned_engine.get();
  const auto device = *BlockDevice::Create(
      std::move(disk), std::move(owned_engine),
      {.drive_id = "fuzz",
       .cache_type = (mode & 4) != 0 ? CacheType::kWriteback : CacheType::kUnsafe,
       .discard = DiscardSupport::kOffered,
       .rate_limiter = (mode & 0x40) != 0 ? kFewOperations : ember::RateLimiterOptions{}});
  Rig rig(*device, /*track_dirty_pages=*/true);
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), data + 1, std::min(size - 1, bytes.size()));

  const uint64_t wanted = (mode & 8) != 0 ? rig.driver.DeviceFeatures() : kVersion1Feature;
  rig.driver.Start(wanted, kPlace);
  rig.driver.Notify(0);
  for (size_t i = 0; i < kMaxWakeUps; ++i) {
    rig.PumpOnce();
    if (engine != nullptr) FinishOne(*engine, data[i % size]);
    // The driver changes its rings while requests are in flight.
    bytes[data[i % size]] ^= std::byte{data[(i + 1) % size]};
    rig.driver.Notify(0);
  }
  rig.driver.Write(reg::kStatus, 0);
  return 0;
}
