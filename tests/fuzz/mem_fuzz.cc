// A memory device whose rings and requests are the input, while a client asks for sizes, slots are
// refused and the driver resets the device.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "base/log.h"
#include "tests/virtio/driver/fake_mem_slots.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/mem/mem_device.h"

namespace {

using ember::GuestAddress;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kRings{0x1000};
constexpr RingPlace kPlace{
    .size = 16, .descriptors = kRings, .available = kRings + 0x100, .used = kRings + 0x200};
constexpr uint64_t kInaccessibleFeature = 1 << 1;
constexpr int kMaxWakeUps = 16;

void CheckSums(const MemDevice& device, const ember::GuestMemory& memory,
               const FakeMemSlots::Record& slots) {
  const ember::PluggableMemory& pluggable = *memory.pluggable();
  const uint64_t plugged = pluggable.CountPlugged(pluggable.all_blocks()) * kMemBlock;
  if (device.plugged_bytes() != plugged || slots.misused) std::abort();
  if (device.usable_bytes() < device.requested_bytes()) std::abort();
}

}  // namespace

// A byte of mode, a byte of wishes, then guest memory from the rings on.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  if (size < 2) return 0;
  const uint8_t mode = data[0];
  const auto slots = std::make_shared<FakeMemSlots::Record>();
  if ((mode & 1) != 0) slots->refused = mode / 32U;
  GuestRam ram(MemOptions());
  const auto device = *MemDevice::Create({.memory = ram.memory(),
                                          .slot_bytes = kMemSlot,
                                          .slots = std::make_unique<FakeMemSlots>(slots)});
  Rig rig(*device, std::move(ram));
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), data + 2, std::min(size - 2, bytes.size()));

  const uint64_t event_index = (mode & 2) != 0 ? kEventIndexFeature64 | kIndirectFeature : 0;
  const uint64_t features = kInaccessibleFeature | kVersion1Feature | event_index;
  rig.driver.Start(features, kPlace);
  for (int i = 0; i < kMaxWakeUps; ++i) {
    const uint64_t wish = (data[1] + static_cast<uint64_t>(i) * 31) % 64;
    rig.state().WithDevice([&] { static_cast<void>(device->SetRequestedSize(wish * kMemBlock)); });
    rig.driver.Notify(0);
    rig.PumpOnce();
    rig.state().WithDevice([&] { CheckSums(*device, rig.ram.memory(), *slots); });
    if ((mode & 4) != 0 && i == kMaxWakeUps / 2) {
      rig.driver.Write(reg::kStatus, 0);
      rig.driver.Start(features, kPlace);
    }
  }
  rig.driver.Write(reg::kStatus, 0);
  rig.Pump();
  // With nothing plugged no slot is there, whatever was interrupted.
  if (device->plugged_bytes() == 0 && !slots->shown.empty()) std::abort();
  return 0;
}
