// A persistent memory device whose ring and requests are the input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/log.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/pmem/memory_store.h"
#include "virtio/pmem/pmem_device.h"

namespace {

using ember::Access;
using ember::GuestAddress;
using ember::TokenBucketOptions;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kRings{0x1000};
constexpr RingPlace kPlace{
    .size = 16, .descriptors = kRings, .available = kRings + 0x100, .used = kRings + 0x200};
constexpr int kMaxWakeUps = 16;

}  // namespace

// A byte of mode, then guest memory from the ring on.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  auto store =
      std::make_unique<MemoryStore>((mode & 1) != 0 ? Access::kReadOnly : Access::kReadWrite);
  store->Fail((mode & 2) != 0);
  PmemDevice::Options options{.id = "fuzz"};
  if ((mode & 4) != 0)
    options.rate_limiter.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1};
  const std::unique_ptr<PmemDevice> device = *PmemDevice::Create(std::move(store), options);
  Rig rig(*device, /*track_dirty_pages=*/true);
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), data + 1, std::min(size - 1, bytes.size()));

  rig.driver.Start((mode & 8) != 0 ? rig.driver.DeviceFeatures() : kVersion1Feature, kPlace);
  for (int i = 0; i < kMaxWakeUps; ++i) {
    rig.driver.Notify(0);
    rig.PumpOnce();
    if ((mode & 16) != 0 && i == kMaxWakeUps / 2) rig.driver.Write(reg::kStatus, 0);
  }
  return 0;
}
