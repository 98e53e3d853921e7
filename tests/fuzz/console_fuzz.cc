// A console whose rings and messages, and what a client of each of its sockets sends, are the
// input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/log.h"
#include "tests/fuzz/confinement.h"
#include "tests/virtio/console/console_bench.h"

namespace {

using ember::GuestAddress;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kRings{0x1000};
constexpr uint64_t kRingBytes = 0x400;
constexpr int kQueues = 6;
constexpr int kMaxWakeUps = 8;

RingPlace PlaceOf(int queue) {
  const GuestAddress at = kRings + kRingBytes * static_cast<uint64_t>(queue);
  return {.size = 16, .descriptors = at, .available = at + 0x100, .used = at + 0x200};
}

// The next bytes of the input, their number before them.
std::string_view TakeText(std::span<const uint8_t>& input) {
  if (input.empty()) return {};
  const size_t length = std::min<size_t>(input[0], input.size() - 1);
  const std::string_view text(reinterpret_cast<const char*>(input.data() + 1), length);
  input = input.subspan(1 + length);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  std::span<const uint8_t> input(data + 1, size - 1);
  static const auto directory =
      ember::fuzz::MakeUnconfined([] { return ember::TemporaryDirectory(); });
  const std::string paths[] = {directory.Path("con"), directory.Path("agent")};
  const std::unique_ptr<ConsoleDevice> device = *ConsoleDevice::Create(
      {.ports = {{.name = "con", .socket_path = paths[0], .is_console = true},
                 {.name = "agent", .socket_path = paths[1], .log_bytes = mode & 2U}}});
  Rig rig(*device, /*track_dirty_pages=*/true);
  ConsoleSocket console(paths[0]), agent(paths[1]), resize(paths[0] + ".ctl");
  const std::string_view typed = TakeText(input), sent = TakeText(input), lines = TakeText(input);
  const std::span<std::byte> bytes = rig.ram.Bytes(kRings, 0xf000);
  std::memcpy(bytes.data(), input.data(), std::min(input.size(), bytes.size()));

  rig.driver.Negotiate((mode & 1) != 0 ? rig.driver.DeviceFeatures() : kVersion1Feature);
  for (int i = 0; i < kQueues; ++i) {
    if ((mode & 4) == 0 || i % 2 == 0) {
      rig.driver.EnableQueue(static_cast<uint32_t>(i), PlaceOf(i));
    }
  }
  console.SendSome(typed);
  if ((mode & 8) != 0) console.Close();
  rig.driver.AddStatus(kDriverOk);
  agent.SendSome(sent);
  resize.SendSome(lines);
  for (int i = 0; i < kMaxWakeUps && rig.PumpOnce(); ++i) {
  }
  rig.driver.Write(reg::kConfig + 8, mode);
  if ((mode & 16) != 0) agent.Close();
  for (uint32_t i = 0; i < kQueues; ++i) rig.driver.Notify(i);
  for (int i = 0; i < kMaxWakeUps && rig.PumpOnce(); ++i) {
  }
  rig.driver.Write(reg::kStatus, 0);
  rig.PumpOnce();
  return 0;
}
