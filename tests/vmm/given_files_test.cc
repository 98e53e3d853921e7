#include "vmm/given_files.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ember::vmm {
namespace {

using sandbox::FileRule;
using sandbox::FileUse;

bool Gives(const VmConfig& config, const FileRule& rule) {
  const std::vector<FileRule> rules = GivenFiles(config);
  return std::ranges::find(rules, rule) != rules.end();
}
bool Names(const VmConfig& config, const std::string& path) {
  const std::vector<FileRule> rules = GivenFiles(config);
  return std::ranges::find(rules, path, &FileRule::path) != rules.end();
}

TEST(GivenFilesTest, AMachineOfNothingHasTheHostsOwn) {
  EXPECT_TRUE(Gives({}, {.path = "/dev/kvm", .use = FileUse::kWrite}));
  EXPECT_FALSE(Names({}, "/dev/net/tun"));
}

TEST(GivenFilesTest, AKernelIsRead) {
  VmConfig config;
  config.boot_source = {.kernel_image_path = "/k", .initrd_path = "/i"};
  EXPECT_TRUE(Gives(config, {.path = "/k", .use = FileUse::kRead}));
  EXPECT_TRUE(Gives(config, {.path = "/i", .use = FileUse::kRead}));
}

TEST(GivenFilesTest, ADriveIsWrittenUnlessItIsReadOnlyOrHasAnOverlay) {
  VmConfig config;
  config.drives = {{.drive_id = "a", .path_on_host = "/a"},
                   {.drive_id = "b", .path_on_host = "/b", .is_read_only = true},
                   {.drive_id = "c", .path_on_host = "/c", .overlay_path = "/o"},
                   {.drive_id = "d", .socket = "/s"}};
  EXPECT_TRUE(Gives(config, {.path = "/a", .use = FileUse::kWrite}));
  EXPECT_TRUE(Gives(config, {.path = "/b", .use = FileUse::kRead}));
  EXPECT_TRUE(Gives(config, {.path = "/c", .use = FileUse::kRead}));
  EXPECT_TRUE(Gives(config, {.path = "/o", .use = FileUse::kWrite}));
  EXPECT_FALSE(Names(config, ""));
  EXPECT_FALSE(Names(config, "/s"));
}

TEST(GivenFilesTest, PersistentMemoryIsWrittenUnlessItIsReadOnly) {
  VmConfig config;
  config.pmem = {{.id = "a", .path_on_host = "/a"},
                 {.id = "b", .path_on_host = "/b", .read_only = true}};
  EXPECT_TRUE(Gives(config, {.path = "/a", .use = FileUse::kWrite}));
  EXPECT_TRUE(Gives(config, {.path = "/b", .use = FileUse::kRead}));
}

TEST(GivenFilesTest, SocketsAreMadeAndRemovedInTheirFolders) {
  VmConfig config;
  config.vsock = {.guest_cid = 3, .uds_path = "/run/vm/v"};
  config.console = {.ports = {{.id = "a", .socket_path = "a", .output_path = "/out"}}};
  EXPECT_TRUE(Gives(config, {.path = "/run/vm", .use = FileUse::kSockets}));
  EXPECT_TRUE(Gives(config, {.path = ".", .use = FileUse::kSockets}));
  EXPECT_TRUE(Gives(config, {.path = "/out", .use = FileUse::kWrite}));
  EXPECT_EQ(SocketRule("/s").path, "/");
}

TEST(GivenFilesTest, ATapNeedsItsDeviceAndAnInheritedOneDoesNot) {
  VmConfig config;
  config.network_interfaces = {{.iface_id = "a", .tap_fd = 7}};
  EXPECT_FALSE(Names(config, "/dev/net/tun"));
  config.network_interfaces.push_back({.iface_id = "b", .host_dev_name = "tap0"});
  EXPECT_TRUE(Gives(config, {.path = "/dev/net/tun", .use = FileUse::kWrite}));
}

TEST(GivenFilesTest, AnInheritedDescriptorIsNotOpened) {
  VmConfig config;
  config.serial.serial_out_path = "/dev/fd/5";
  config.drives = {{.drive_id = "a", .path_on_host = "/dev/fd/6"}};
  EXPECT_FALSE(Names(config, "/dev/fd/5"));
  EXPECT_FALSE(Names(config, "/dev/fd/6"));
}

}  // namespace
}  // namespace ember::vmm
