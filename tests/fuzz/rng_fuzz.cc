// An entropy device whose rings, limits and host failures are the input.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "base/log.h"
#include "tests/base/fake_clock.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/rng/fake_entropy.h"
#include "virtio/rng/rng_device.h"

namespace {

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
  if (size < 3) return 0;
  const uint8_t mode = data[0];
  ember::FakeClock clock;
  RngDevice::Options options{.rate_limiter = {}, .clock = clock};
  if ((mode & 1) != 0) {
    options.rate_limiter.bandwidth =
        ember::TokenBucketOptions{.size = data[1], .one_time_burst = 0, .refill_time_ms = data[2]};
  }
  if ((mode & 2) != 0) {
    options.rate_limiter.ops =
        ember::TokenBucketOptions{.size = data[2], .one_time_burst = 1, .refill_time_ms = data[1]};
  }
  auto entropy = std::make_unique<FakeEntropy>();
  entropy->fails = (mode & 4) != 0;
  const std::unique_ptr<RngDevice> device = *RngDevice::Create(std::move(entropy), options);
  Rig rig(*device, /*track_dirty_pages=*/true);
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), data + 3, std::min(size - 3, bytes.size()));

  rig.driver.Start((mode & 8) != 0 ? rig.driver.DeviceFeatures() : kVersion1Feature, kPlace);
  rig.driver.Notify(0);
  for (int i = 0; i < kMaxWakeUps; ++i) {
    rig.PumpOnce();
    clock.Advance(std::chrono::milliseconds(mode >> 4));
    rig.state().ProcessHostEvents();
  }
  rig.driver.Write(reg::kStatus, 0);
  return 0;
}
