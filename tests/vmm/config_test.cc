#include "vmm/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/concat.h"

namespace ember::vmm {
namespace {

using firmware::HardwareDescription;

std::string Message(const Status& status) { return status ? "" : status.error().message(); }

TEST(MachineConfigTest, VcpuCountHasARange) {
  const auto with = [](uint32_t count) {
    return Message(Validate(MachineConfig{.vcpu_count = count}));
  };
  EXPECT_EQ(with(0), "vcpu_count 0 is below the least, 1");
  EXPECT_EQ(with(1), "");
  EXPECT_EQ(with(32), "");
  EXPECT_EQ(with(33), "vcpu_count 33 exceeds the limit 32");
}

TEST(MachineConfigTest, VcpuCountWithSmtIsOneOrEven) {
  const auto with = [](uint32_t count) {
    return Message(Validate(MachineConfig{.vcpu_count = count, .smt = true}));
  };
  EXPECT_EQ(with(1), "");
  for (uint32_t pairs = 1; pairs <= kMaxVcpus / 2; ++pairs) EXPECT_EQ(with(2 * pairs), "");
  EXPECT_EQ(with(3), "vcpu_count 3 must be 1 or even when smt is true");
  EXPECT_EQ(with(31), "vcpu_count 31 must be 1 or even when smt is true");
  EXPECT_EQ(Message(Validate(MachineConfig{.vcpu_count = 31})), "");
}

TEST(MachineConfigTest, MemorySizeHasARange) {
  const auto with = [](uint64_t size_mib) {
    return Message(Validate(MachineConfig{.mem_size_mib = size_mib}));
  };
  EXPECT_EQ(with(0), "mem_size_mib 0 is below the least, 1");
  EXPECT_EQ(with(1), "");
  EXPECT_EQ(with(16777216), "");
  EXPECT_EQ(with(16777217), "mem_size_mib 16777217 exceeds the limit 16777216");
  EXPECT_EQ(with(UINT64_MAX), "mem_size_mib 18446744073709551615 exceeds the limit 16777216");
}

TEST(MachineConfigTest, MemoryOfHugePagesIsEven) {
  EXPECT_EQ(Message(Validate(MachineConfig{.mem_size_mib = 3, .huge_pages = HugePages::k2M})),
            "mem_size_mib 3 must be even when huge_pages is 2M");
  EXPECT_EQ(
      Message(Validate(MachineConfig{.mem_size_mib = 3, .huge_pages = HugePages::kTransparent})),
      "");
}

TEST(MachineConfigTest, MemoryThatIsForkedHasSmallPages) {
  EXPECT_EQ(Message(Validate(MachineConfig{.forkable = true})), "");
  for (const HugePages pages : {HugePages::k2M, HugePages::kTransparent}) {
    EXPECT_THAT(Message(Validate(MachineConfig{.huge_pages = pages, .forkable = true})),
                testing::HasSubstr("forkable needs huge_pages None"));
  }
}

TEST(MachineConfigTest, ApplyChangesOnlyWhatTheUpdateHas) {
  const MachineConfig machine{.vcpu_count = 2, .mem_size_mib = 64, .smt = true};
  EXPECT_EQ(Apply(machine, {}), machine);
  EXPECT_TRUE(Apply(machine, {.forkable = true}).forkable);
  EXPECT_EQ(Apply(machine, {.mem_size_mib = 32, .huge_pages = HugePages::k2M}),
            (MachineConfig{
                .vcpu_count = 2, .mem_size_mib = 32, .smt = true, .huge_pages = HugePages::k2M}));
}

TEST(BootSourceTest, PathsAreNotEmpty) {
  EXPECT_EQ(Message(Validate(BootSource{})), "kernel_image_path is empty");
  EXPECT_EQ(Message(Validate(BootSource{.kernel_image_path = "/k", .initrd_path = ""})),
            "initrd_path is empty");
}

TEST(BootSourceTest, BootArgsArePrintableAscii) {
  const auto with = [](std::string args) {
    return Message(Validate(BootSource{.kernel_image_path = "/k", .boot_args = std::move(args)}));
  };
  EXPECT_EQ(with(""), "");
  EXPECT_EQ(with("console=ttyS0 init=/bin/sh ~"), "");
  EXPECT_EQ(with("a\nb"), "boot_args holds the byte 0xa, which is not printable ASCII");
  EXPECT_EQ(with(std::string("a\0b", 3)),
            "boot_args holds the byte 0x0, which is not printable ASCII");
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = byte >= ' ' && byte <= '~';
    EXPECT_EQ(with(std::string(1, static_cast<char>(byte))).empty(), printable) << byte;
  }
  EXPECT_EQ(with("\xc3\xa4"), "boot_args holds the byte 0xc3, which is not printable ASCII");
}

TEST(BootSourceTest, HardwareIsDescribedByAcpiUnlessTheKernelIsToldNotToLook) {
  const auto with = [](std::string args) {
    return HardwareDescriptionOf({.kernel_image_path = "/k", .boot_args = std::move(args)});
  };
  EXPECT_EQ(HardwareDescriptionOf({.kernel_image_path = "/k"}), HardwareDescription::kAcpi);
  EXPECT_EQ(with("console=ttyS0 acpi=off"), HardwareDescription::kMpTable);
  EXPECT_EQ(with("acpi=off"), HardwareDescription::kMpTable);
  EXPECT_EQ(with("acpi=off  quiet "), HardwareDescription::kMpTable);
  EXPECT_EQ(with("acpi=offer xacpi=off"), HardwareDescription::kAcpi);
  EXPECT_EQ(with(" acpi "), HardwareDescription::kAcpi);
}

TEST(BootSourceTest, HardwareIsDescribedAsTheClientSays) {
  EXPECT_EQ(HardwareDescriptionOf(
                {.boot_args = "acpi=off", .hardware_description = HardwareDescription::kAcpi}),
            HardwareDescription::kAcpi);
}

TEST(BootSourceTest, PvhHandsOverNoDeviceTree) {
  const auto with = [](BootProtocolChoice protocol, HardwareDescription description) {
    return Message(Validate(BootSource{.kernel_image_path = "/k",
                                       .boot_protocol = protocol,
                                       .hardware_description = description}));
  };
  EXPECT_EQ(with(BootProtocolChoice::kPvh, HardwareDescription::kDeviceTree),
            "hardware_description DeviceTree cannot be handed over by boot_protocol Pvh");
  EXPECT_EQ(with(BootProtocolChoice::kPvh, HardwareDescription::kMpTable), "");
  EXPECT_EQ(with(BootProtocolChoice::kLinux64, HardwareDescription::kDeviceTree), "");
  EXPECT_EQ(with(BootProtocolChoice::kAuto, HardwareDescription::kDeviceTree), "");
}

TEST(BootSourceTest, AbsentBootArgsAreTheContractsDefault) {
  EXPECT_EQ(BootArgs({}), kDefaultBootArgs);
  EXPECT_EQ(BootArgs({.boot_args = ""}), "");
}

TEST(DriveConfigTest, IdIsOfLettersDigitsAndUnderscores) {
  const auto with = [](std::string id) {
    return Message(Validate(DriveConfig{.drive_id = std::move(id), .path_on_host = "/d"}));
  };
  EXPECT_EQ(with("rootfs_2"), "");
  EXPECT_EQ(with(""), "drive_id: The ID cannot be empty.");
  EXPECT_EQ(with("a-b"),
            "drive_id: API Resource IDs can only contain alphanumeric characters and underscores.");
  for (int byte = 0; byte < 256; ++byte) {
    const char letter = static_cast<char>(byte);
    const bool allowed = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                         (letter >= 'A' && letter <= 'Z') || letter == '_';
    EXPECT_EQ(with(std::string("a") + letter).empty(), allowed) << byte;
  }
}

TEST(DriveConfigTest, ASocketStandsAlone) {
  const DriveConfig drive{.drive_id = "a", .socket = "/s"};
  EXPECT_EQ(Message(Validate(drive)), "");
  DriveConfig with = drive;
  with.path_on_host = "/d";
  EXPECT_THAT(Message(Validate(with)), testing::HasSubstr("back end's"));
  with = drive;
  with.is_read_only = true;
  EXPECT_THAT(Message(Validate(with)), testing::HasSubstr("back end's"));
  with = drive;
  with.io_engine = IoEngine::kAsync;
  EXPECT_THAT(Message(Validate(with)), testing::HasSubstr("back end's"));
  with = drive;
  with.overlay_path = "/o";
  EXPECT_THAT(Message(Validate(with)), testing::HasSubstr("opened here"));
  with = drive;
  with.socket = "";
  EXPECT_EQ(Message(Validate(with)), "socket is empty");
}

TEST(DriveConfigTest, AnOverlayIsForADriveThatIsWrittenTo) {
  DriveConfig drive{.drive_id = "a", .path_on_host = "/d", .overlay_path = "/o"};
  EXPECT_EQ(Message(Validate(drive)), "");
  drive.is_read_only = true;
  EXPECT_EQ(Message(Validate(drive)),
            "overlay_path is for drives that are written to, but is_read_only is true");
  drive = {.drive_id = "a", .path_on_host = "/d", .overlay_path = ""};
  EXPECT_EQ(Message(Validate(drive)), "overlay_path is empty");
}

TEST(DriveConfigTest, WhatCannotBeHonouredIsRefused) {
  EXPECT_EQ(Message(Validate(DriveConfig{.drive_id = "a"})), "path_on_host is empty");
}

TEST(DriveConfigTest, QueuesAreOneToSixteen) {
  const auto with = [](uint16_t queues) {
    return Message(Validate(DriveConfig{.drive_id = "a", .path_on_host = "/d", .queues = queues}));
  };
  EXPECT_EQ(with(1), "");
  EXPECT_EQ(with(16), "");
  EXPECT_EQ(with(0), "queues 0 is not between 1 and 16");
  EXPECT_EQ(with(17), "queues 17 is not between 1 and 16");
  EXPECT_EQ(with(65535), "queues 65535 is not between 1 and 16");
}

TEST(DriveListTest, RootDriveGoesFirst) {
  std::vector<DriveConfig> drives;
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "a"}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "b"}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "root", .is_root_device = true}));
  EXPECT_THAT(drives, testing::ElementsAre(testing::Field(&DriveConfig::drive_id, "root"),
                                           testing::Field(&DriveConfig::drive_id, "a"),
                                           testing::Field(&DriveConfig::drive_id, "b")));
}

TEST(DriveListTest, DriveOfTheSameIdIsReplaced) {
  std::vector<DriveConfig> drives;
  ASSERT_TRUE(
      InsertDrive(drives, {.drive_id = "root", .path_on_host = "/1", .is_root_device = true}));
  ASSERT_TRUE(
      InsertDrive(drives, {.drive_id = "root", .path_on_host = "/2", .is_root_device = true}));
  ASSERT_EQ(drives.size(), 1u);
  EXPECT_EQ(drives[0].path_on_host, "/2");
}

TEST(DriveListTest, SecondRootDriveIsRefused) {
  std::vector<DriveConfig> drives;
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "a", .is_root_device = true}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "b"}));
  const std::vector<DriveConfig> before = drives;
  EXPECT_EQ(Message(InsertDrive(drives, {.drive_id = "b", .is_root_device = true})),
            "is_root_device: drive b cannot be the root device: a is");
  EXPECT_EQ(drives, before);
  EXPECT_EQ(Message(InsertDrive(drives, {.drive_id = "c", .is_root_device = true})),
            "is_root_device: drive c cannot be the root device: a is");
  EXPECT_EQ(drives, before);
}

TEST(DriveTest, PartuuidMustBeOneWord) {
  for (const char* bad : {"", "a b", "a\tb", "\x7f"}) {
    const DriveConfig drive{.drive_id = "a", .path_on_host = "/x", .partuuid = bad};
    EXPECT_THAT(Message(Validate(drive)), testing::HasSubstr("partuuid"));
  }
  EXPECT_TRUE(
      Validate(DriveConfig{.drive_id = "a", .path_on_host = "/x", .partuuid = "0eaa91a0-01"}));
}

TEST(SerialTest, OutputPathMayBeAbsentButNotEmpty) {
  EXPECT_TRUE(Validate(SerialConfig{}));
  EXPECT_THAT(Message(Validate(SerialConfig{.serial_out_path = ""})),
              testing::HasSubstr("serial_out_path"));
}

TEST(VsockTest, GuestCidIsNotReserved) {
  for (const uint32_t cid : {0U, 1U, 2U}) {
    EXPECT_EQ(Message(Validate(VsockConfig{.guest_cid = cid, .uds_path = "/v"})),
              Concat("guest_cid ", cid, " is below the least allowed, 3"));
  }
  for (const uint32_t cid : {3U, 4U, 0xffffffffU}) {
    EXPECT_TRUE(Validate(VsockConfig{.guest_cid = cid, .uds_path = "/v"}));
  }
}

TEST(VsockTest, PathFitsASocketAddress) {
  EXPECT_THAT(Message(Validate(VsockConfig{.guest_cid = 3, .uds_path = ""})),
              testing::HasSubstr("uds_path is empty"));
  EXPECT_TRUE(Validate(VsockConfig{.guest_cid = 3, .uds_path = std::string(107, 'x')}));
  EXPECT_EQ(Message(Validate(VsockConfig{.guest_cid = 3, .uds_path = std::string(108, 'x')})),
            "uds_path has 108 bytes, which exceeds the limit 107");
}

TEST(DriveListTest, ReplacedDriveKeepsItsPlace) {
  std::vector<DriveConfig> drives;
  for (const char* id : {"c", "a", "b"}) ASSERT_TRUE(InsertDrive(drives, {.drive_id = id}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "a", .path_on_host = "/2"}));
  EXPECT_THAT(drives, testing::ElementsAre(DriveConfig{.drive_id = "c"},
                                           DriveConfig{.drive_id = "a", .path_on_host = "/2"},
                                           DriveConfig{.drive_id = "b"}));
}

TEST(DriveListTest, RootDriveMayStepDownForAnother) {
  std::vector<DriveConfig> drives;
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "a", .is_root_device = true}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "b"}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "a"}));
  ASSERT_TRUE(InsertDrive(drives, {.drive_id = "b", .is_root_device = true}));
  EXPECT_THAT(drives, testing::ElementsAre(DriveConfig{.drive_id = "b", .is_root_device = true},
                                           DriveConfig{.drive_id = "a"}));
}

}  // namespace
}  // namespace ember::vmm
