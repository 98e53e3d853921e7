#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"
#include "tests/vmm/fake_machine.h"
#include "vmm/preboot_controller.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;

class PmemPrebootTest : public ::testing::Test {
 protected:
  std::string Fault(const Action& action) {
    const Status status = controller_.Perform(action);
    return status ? "" : status.error().message();
  }
  PmemConfig Pmem(const std::string& id, bool root = false) {
    return {.id = id, .path_on_host = directory_.Write(id, "memory"), .root_device = root};
  }
  const VmConfig& config() { return controller_.config(); }

  TemporaryDirectory directory_;
  FakeMachineRoom room_;
  PrebootController controller_{room_.factory()};
};

TEST_F(PmemPrebootTest, KeepsThePlaceOfTheDeviceWithItsId) {
  ASSERT_EQ(Fault(PutPmem{Pmem("a")}), "");
  ASSERT_EQ(Fault(PutPmem{Pmem("b", /*root=*/true)}), "");
  ASSERT_EQ(Fault(PutPmem{Pmem("a")}), "");
  ASSERT_EQ(config().pmem.size(), 2U);
  EXPECT_EQ(config().pmem[0].id, "a");
  EXPECT_EQ(RootWords(config().pmem), "root=/dev/pmem1 rw");
}

TEST_F(PmemPrebootTest, NamesAFileThatCannotBeOpened) {
  EXPECT_THAT(Fault(PutPmem{{.id = "a", .path_on_host = "/nonexistent/file"}}),
              HasSubstr("/nonexistent/file"));
  EXPECT_TRUE(config().pmem.empty());
}

TEST_F(PmemPrebootTest, IsNoSecondRootBesideADriveOrAnother) {
  const DriveConfig drive{.drive_id = "d",
                          .path_on_host = directory_.Write("d", std::string(512, 'd')),
                          .is_root_device = true};
  ASSERT_EQ(Fault(PutPmem{Pmem("a", true)}), "");
  EXPECT_EQ(Fault(PutPmem{Pmem("b", true)}), "root_device: pmem b cannot be the root device: a is");
  EXPECT_EQ(Fault(PutDrive{drive}), "drive d and pmem a cannot both be the root device");
  EXPECT_TRUE(config().drives.empty());
  ASSERT_EQ(Fault(PutPmem{Pmem("a", false)}), "");
  ASSERT_EQ(Fault(PutDrive{drive}), "");
  EXPECT_EQ(Fault(PutPmem{Pmem("a", true)}), "drive d and pmem a cannot both be the root device");
  EXPECT_FALSE(config().pmem[0].root_device);
}

TEST(PmemRootTest, IsNamedByItsPlaceAndMode) {
  std::vector<PmemConfig> devices(3);
  EXPECT_EQ(RootWords(devices), std::nullopt);
  devices[2].root_device = true;
  EXPECT_EQ(RootWords(devices), "root=/dev/pmem2 rw");
  devices[2].read_only = true;
  EXPECT_EQ(RootWords(devices), "root=/dev/pmem2 ro");
  EXPECT_EQ(RootWords({}), std::nullopt);
}

}  // namespace
}  // namespace ember::vmm
