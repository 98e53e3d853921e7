#include "vmm/snapshot/device_states.h"

#include <gtest/gtest.h>

#include "snapshot/fields.h"
#include "tests/vmm/snapshot/sample_machine.h"

namespace ember::vmm {
namespace {

TEST(DeviceStatesTest, ComeBackFromAFileAsTheyWere) {
  const snapshot::StateValue tree = snapshot::ToTree(testing::SampleDevices());
  const Result<DeviceStates> read = snapshot::FromTree<DeviceStates>(tree, 1);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(snapshot::ToTree(*read), tree);
  EXPECT_EQ(read->devices[0].capacity_sectors, 1024U);
  EXPECT_EQ(read->devices[0].transport.device.queues[0].position, 7);
  EXPECT_EQ(read->devices[5].console->ports[0].size->columns, 80);
}

TEST(DeviceStatesTest, AreFoundByTypeAndId) {
  const DeviceStates states = testing::SampleDevices();
  EXPECT_EQ(states.Find(virtio::DeviceId::kBlock, "rootfs"), &states.devices[0]);
  EXPECT_EQ(states.Find(virtio::DeviceId::kPmem, "rootfs"), &states.devices[1]);
  EXPECT_EQ(states.Find(virtio::DeviceId::kBlock, "eth0"), nullptr);
}

}  // namespace
}  // namespace ember::vmm
