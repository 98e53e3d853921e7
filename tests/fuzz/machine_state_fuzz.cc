// A machine's state file that is the input: read, written again, and given to devices; or the file
// of a working set.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "snapshot/cbor.h"
#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/fuzz/confinement.h"
#include "tests/virtio/driver/fake_device.h"
#include "tests/virtio/driver/fake_mem_slots.h"
#include "tests/virtio/driver/fake_net_backend.h"
#include "tests/virtio/driver/memory_disk.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/block/block_device.h"
#include "virtio/console/console_device.h"
#include "virtio/mem/mem_device.h"
#include "virtio/net/net_device.h"
#include "virtio/rng/rng_device.h"
#include "vmm/snapshot/machine_state.h"
#include "vmm/snapshot/working_set.h"

namespace {

using namespace ember;                   // NOLINT(google-build-using-namespace)
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)
using vmm::SavedMachine;
using vmm::VirtioState;

constexpr int kMaxWakeUps = 8;
constexpr size_t kMaxDevices = 8;

template <typename Device>
std::unique_ptr<VirtioDevice> OrNull(Result<std::unique_ptr<Device>> device) {
  if (!device) return nullptr;
  return *std::move(device);
}

std::unique_ptr<VirtioDevice> MakeConsole(const VirtioState& state) {
  static const auto directory = fuzz::MakeUnconfined([] { return TemporaryDirectory(); });
  return OrNull(ConsoleDevice::Create(
      {.ports = {{.name = "con", .socket_path = directory.Path("con"), .is_console = true},
                 {.name = "agent", .socket_path = directory.Path("agent")}},
       .state = state.console}));
}

std::unique_ptr<VirtioDevice> MakeMem(const VirtioState& state) {
  const std::shared_ptr<const GuestMemory> memory = *GuestMemory::Create(
      {{.start = GuestAddress{0}, .size_bytes = uint64_t{1} << 20}}, MemOptions());
  return OrNull(MemDevice::Create(
      {.memory = *memory,
       .slot_bytes = kMemSlot,
       .slots = std::make_unique<FakeMemSlots>(std::make_shared<FakeMemSlots::Record>(), memory),
       .state = state.hotplug}));
}

// A device of that type, or null where it cannot have been what the state says.
std::unique_ptr<VirtioDevice> Make(const VirtioState& state) {
  switch (DeviceId{state.type}) {
    case DeviceId::kBlock:
      return OrNull(BlockDevice::Create(std::make_unique<MemoryDisk>(uint64_t{1} << 16),
                                        {.drive_id = "disk",
                                         .queue_count = 2,
                                         .known_capacity_sectors = state.capacity_sectors}));
    case DeviceId::kNet:
      return OrNull(
          NetDevice::Create(std::make_unique<FakeNetBackend>(uint16_t{2}),
                            {.interface_id = "eth0", .address = MacAddress{}, .state = state.net}));
    case DeviceId::kBalloon:
      return OrNull(BalloonDevice::Create({.statistics_interval = std::chrono::hours(1),
                                           .free_page_hinting = true,
                                           .free_page_reporting = true,
                                           .state = state.balloon}));
    case DeviceId::kConsole:
      return MakeConsole(state);
    case DeviceId::kMem:
      return MakeMem(state);
    case DeviceId::kRng:
      return OrNull(RngDevice::Create(CreateHostEntropySource(), {}));
    default:
      return std::make_unique<FakeDevice>();
  }
}

// A guest whose memory is zeros goes on with the device, which comes to rest again, and is reset.
void Restore(const VirtioState& state) {
  const std::unique_ptr<VirtioDevice> device = Make(state);
  if (device == nullptr) return;
  Rig rig(*device, /*track_dirty_pages=*/true);
  if (!rig.transport->Restore(state.transport)) return;
  for (int i = 0; i < kMaxWakeUps && rig.PumpOnce(); ++i) {
  }
  {
    DeviceHold hold(rig.state());
    const Result<SavedMmio> saved = rig.transport->Save(hold);
    EMBER_CHECK(!saved || saved->device.queues.size() == state.transport.device.queues.size());
  }
  rig.driver.Write(reg::kStatus, 0);
  EMBER_CHECK(rig.driver.status() == 0);
}

std::vector<snapshot::MemoryPiece> TwoPieces() {
  std::vector<snapshot::MemoryPiece> pieces(2);
  pieces[0].region.range.size_bytes = 100 * DirtyPages::kPageBytes;
  pieces[1].region.range.size_bytes = 64 * DirtyPages::kPageBytes;
  return pieces;
}

void CheckPages(const std::vector<std::vector<std::byte>>& bytes) {
  const Result<snapshot::PageBits> pages = vmm::ToPageBits(bytes, TwoPieces());
  if (pages) EMBER_CHECK(vmm::ToBytes(*pages) == bytes);
}

// What was read is written and read again, the same.
void Check(const SavedMachine& state) {
  const snapshot::StateValue tree = snapshot::ToTree(state);
  const Result<SavedMachine> again =
      snapshot::FromTree<SavedMachine>(tree, snapshot::kStateVersion);
  EMBER_CHECK(again.has_value() && snapshot::ToTree(*again) == tree);
  if (state.diff) CheckPages(state.diff->pages);
  for (size_t i = 0; i < state.devices.devices.size() && i < kMaxDevices; ++i) {
    Restore(state.devices.devices[i]);
  }
}

}  // namespace

// The file, whose contents are looked at also where its header and checksum are wrong.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ConfigureLog({.level = LogLevel::kOff, .instance_id = {}});
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  if (input.size() < snapshot::kStateHeaderBytes) return 0;
  const auto tree = snapshot::DecodeCbor(input.subspan(snapshot::kStateHeaderBytes));
  if (!tree) return 0;
  const auto state = snapshot::FromTree<SavedMachine>(*tree, snapshot::kStateVersion);
  if (state) Check(*state);
  const auto set = snapshot::FromTree<vmm::WorkingSet>(*tree, snapshot::kStateVersion);
  if (set) CheckPages(set->pages);
  return 0;
}
