#include "vmm/snapshot/device_states.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "snapshot/fields.h"

namespace ember::vmm {
namespace {

DeviceStates AllTypes() {
  DeviceStates states;
  const auto add = [&](virtio::DeviceId type, std::string id) -> VirtioState& {
    return states.devices.emplace_back(
        VirtioState{.type = static_cast<uint32_t>(type),
                    .id = std::move(id),
                    .address = GuestAddress{0xc000'2000},
                    .gsi = 5,
                    .transport = {.device = {.status = 15, .queues = {{.position = 7}}}}});
  };
  add(virtio::DeviceId::kBlock, "rootfs").capacity_sectors = 1024;
  add(virtio::DeviceId::kPmem, "rootfs").memory = {.start = GuestAddress{uint64_t{1} << 40},
                                                   .size_bytes = uint64_t{2} << 20};
  add(virtio::DeviceId::kNet, "eth0").net = {.used_pairs = 2, .link_up = false};
  add(virtio::DeviceId::kBalloon, "balloon").balloon = {
      .target_pages = 1, .statistics = {{.tag = 3, .value = 4}}, .hinting = {.guest_command = 2}};
  add(virtio::DeviceId::kConsole, "console").console = {
      .ports = {{.phase = virtio::ConsolePortPhase::kReady,
                 .size = virtio::ConsoleSize{.columns = 80, .rows = 25}}}};
  add(virtio::DeviceId::kMem, "memory").hotplug = {.plugged = {std::byte{1}}};
  add(virtio::DeviceId::kVsock, "vsock");
  return states;
}

TEST(DeviceStatesTest, ComeBackFromAFileAsTheyWere) {
  const snapshot::StateValue tree = snapshot::ToTree(AllTypes());
  const Result<DeviceStates> read = snapshot::FromTree<DeviceStates>(tree, 1);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(snapshot::ToTree(*read), tree);
  EXPECT_EQ(read->devices[0].capacity_sectors, 1024U);
  EXPECT_EQ(read->devices[0].transport.device.queues[0].position, 7);
  EXPECT_EQ(read->devices[4].console->ports[0].size->columns, 80);
}

TEST(DeviceStatesTest, AreFoundByTypeAndId) {
  const DeviceStates states = AllTypes();
  EXPECT_EQ(states.Find(virtio::DeviceId::kBlock, "rootfs"), &states.devices[0]);
  EXPECT_EQ(states.Find(virtio::DeviceId::kPmem, "rootfs"), &states.devices[1]);
  EXPECT_EQ(states.Find(virtio::DeviceId::kBlock, "eth0"), nullptr);
}

}  // namespace
}  // namespace ember::vmm
