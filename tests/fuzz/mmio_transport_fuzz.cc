// The MMIO transport under any sequence of accesses, with a device that works in between.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/log.h"
#include "tests/virtio/driver/fake_device.h"
#include "tests/virtio/driver/rig.h"

namespace {

using ember::virtio::testing::FakeDevice;
using ember::virtio::testing::Rig;

// One step of the input.
struct Step {
  uint8_t kind;
  uint8_t width_log2;
  uint16_t offset;
  uint32_t value;
};
static_assert(sizeof(Step) == 8);

void Take(Rig& rig, const Step& step) {
  const size_t width = size_t{1} << (step.width_log2 % 4);
  const uint64_t offset = step.offset % (ember::virtio::MmioTransport::kSizeBytes - width + 1);
  switch (step.kind % 5) {
    case 0:
      rig.driver.Write(offset & 0xfc, step.value);
      break;
    case 1:
      rig.driver.WriteWide(offset, step.value * uint64_t{0x100000001}, width);
      break;
    case 2:
      rig.driver.ReadWide(offset, width);
      break;
    case 3:
      rig.PumpOnce();
      break;
    default:  // guest memory
      std::memcpy(rig.ram.Bytes(ember::GuestAddress{step.offset}, 4).data(), &step.value, 4);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  FakeDevice device;
  Rig rig(device);
  for (; size >= sizeof(Step); data += sizeof(Step), size -= sizeof(Step)) {
    Step step;
    std::memcpy(&step, data, sizeof(step));
    Take(rig, step);
  }
  rig.PumpOnce();
  rig.driver.Write(ember::virtio::testing::reg::kStatus, 0);
  return rig.driver.status() == 0 ? 0 : -1;
}
