// A balloon whose rings and requests are the input, while a client asks things of it.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/log.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/balloon/balloon_device.h"

namespace {

using ember::GuestAddress;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kRings{0x1000};
constexpr uint64_t kRingBytes = 0x400;
constexpr uint32_t kQueues = 5;
constexpr int kMaxWakeUps = 8;

RingPlace Place(uint32_t queue) {
  const GuestAddress at = kRings + queue * kRingBytes;
  return {.size = 16, .descriptors = at, .available = at + 0x100, .used = at + 0x200};
}

void AskThings(BalloonDevice& device, uint8_t wish) {
  switch (wish % 4) {
    case 0:
      static_cast<void>(device.SetTarget(wish));
      break;
    case 1:
      static_cast<void>(device.SetStatisticsInterval(std::chrono::seconds(wish)));
      break;
    case 2:
      static_cast<void>(
          device.StartHinting(wish < 128 ? Hinting::OnStop::kWait : Hinting::OnStop::kAcknowledge));
      break;
    default:
      static_cast<void>(device.StopHinting());
  }
}

}  // namespace

// A byte of mode, a byte of wishes, then guest memory from the rings on.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  if (size < 2) return 0;
  const uint8_t mode = data[0];
  const auto device = *BalloonDevice::Create(
      {.deflate_on_oom = true,
       .statistics_interval = std::chrono::nanoseconds((mode & 1) != 0 ? 1 : 0),
       .free_page_hinting = (mode & 2) != 0,
       .free_page_reporting = (mode & 4) != 0});
  Rig rig(*device, /*track_dirty_pages=*/true);
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), data + 2, std::min(size - 2, bytes.size()));

  rig.driver.Negotiate((mode & 8) != 0 ? rig.driver.DeviceFeatures()
                                       : rig.driver.DeviceFeatures() & ~kEventIndexFeature64);
  for (uint32_t queue = 0; queue < kQueues; ++queue) rig.driver.EnableQueue(queue, Place(queue));
  rig.driver.AddStatus(kDriverOk);
  for (int i = 0; i < kMaxWakeUps; ++i) {
    rig.state().WithDevice([&] { AskThings(*device, static_cast<uint8_t>(data[1] + i * 31)); });
    for (uint32_t queue = 0; queue < kQueues; ++queue) rig.driver.Notify(queue);
    rig.PumpOnce();
  }
  rig.driver.Write(reg::kStatus, 0);
  return 0;
}
