#include "vmm/snapshot/describe_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;

TEST(DescribeSnapshotTest, TellsWhatIsInAStateFile) {
  const std::string golden = std::string(EMBER_MACHINE_GOLDEN) + "/machine_v2";
  EXPECT_EQ(DescribeSnapshot(golden + ".bin").value(),
            "v2.0.0\n"
            "name: 000102030405060708090a0b0c0d0e0f\n"
            "parent: 17171717171717171717171717171717\n"
            "vcpus: 2\n"
            "drive: rootfs\n"
            "pmem: rootfs\n"
            "network-interface: eth0\n"
            "balloon: balloon\n"
            "entropy: entropy\n"
            "console: console\n"
            "vsock: vsock\n"
            "memory-hotplug: memory\n"
            "config: {}\n");
  EXPECT_THAT(DescribeSnapshot(golden + "_diff.bin").value(),
              HasSubstr("diff of: 17171717171717171717171717171717\npages: 16\n"));
}

TEST(DescribeSnapshotTest, NamesAFileThatIsNone) {
  const auto none = DescribeSnapshot("/nowhere/state");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("/nowhere/state"));
}

}  // namespace
}  // namespace ember::vmm
