#include "vmm/kernel_command_line.h"

#include <gtest/gtest.h>

#include <string>

namespace ember::vmm {
namespace {

VmConfig WithArguments(const std::string& arguments) {
  return {.boot_source = BootSource{.kernel_image_path = "kernel", .boot_args = arguments}};
}

TEST(KernelCommandLineTest, IsTheClientsWhereThereIsNoRootDevice) {
  VmConfig config = WithArguments("quiet -- once");
  EXPECT_EQ(KernelCommandLine(config), "quiet -- once");
  config.drives = {{.drive_id = "data"}};
  EXPECT_EQ(KernelCommandLine(config), "quiet -- once");
}

TEST(KernelCommandLineTest, NamesTheRootDrive) {
  VmConfig config = WithArguments("quiet");
  config.drives = {{.drive_id = "root", .is_root_device = true}};
  EXPECT_EQ(KernelCommandLine(config), "quiet root=/dev/vda rw");
  config.drives.front().is_read_only = true;
  EXPECT_EQ(KernelCommandLine(config), "quiet root=/dev/vda ro");
  config.drives.front().partuuid = "0eaa91a0-01";
  EXPECT_EQ(KernelCommandLine(config), "quiet root=PARTUUID=0eaa91a0-01 ro");
}

TEST(KernelCommandLineTest, NamesTheRootDeviceBeforeWhatIsForInit) {
  VmConfig config = WithArguments("quiet -- root=of-init");
  config.pmem = {{.id = "root", .root_device = true}};
  EXPECT_EQ(KernelCommandLine(config), "quiet root=/dev/pmem0 rw -- root=of-init");
  config.drives = {{.drive_id = "root", .is_root_device = true}};
  EXPECT_EQ(KernelCommandLine(config), "quiet root=/dev/vda rw -- root=of-init");
}

}  // namespace
}  // namespace ember::vmm
