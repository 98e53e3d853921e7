#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/journal.h"
#include "base/sanitizer.h"
#include "mmds/metadata.h"
#include "tests/base/temporary_directory.h"
#include "tests/payload/payload_guest.h"
#include "tests/payload/payload_kernel.h"
#include "vmm/virtual_machine.h"
#include "vmm/vitals.h"

namespace ember::vmm {
namespace {

constexpr int kCycles = 200;
constexpr int kWarmUpCycles = 20;
// Allocators and the page cache move a little; 180 leaked machines would show as many times this.
constexpr long kSlackKib = 2048;

ptrdiff_t Count(const std::string& directory) {
  return std::distance(std::filesystem::directory_iterator(directory),
                       std::filesystem::directory_iterator());
}

long ResidentKib() {
  long pages = 0;
  std::ifstream statm("/proc/self/statm");
  statm >> pages >> pages;
  return pages * (::sysconf(_SC_PAGESIZE) / 1024);
}

class StartStopTest : public ::testing::Test {
 protected:
  // One machine from nothing to its end and its destruction.
  MachineEnd Cycle() {
    const std::unique_ptr<EventLoop> loop = Must(EventLoop::Create());
    MachineEnd end;
    end.exit_code = ExitCode::kGenericError;
    const std::unique_ptr<Machine> machine =
        Must(VirtualMachine::Build(config_, {.loop = *loop,
                                             .metadata = metadata_,
                                             .journal = journal_,
                                             .vitals = vitals_,
                                             .on_end = [&](const MachineEnd& told) {
                                               end = told;
                                               loop->Stop();
                                             }}));
    loop->Run();
    return end;
  }

  TemporaryDirectory directory_;
  mmds::Metadata metadata_{1024};
  Journal journal_;
  Vitals vitals_;
  VmConfig config_{.machine = {.vcpu_count = 2, .mem_size_mib = 32},
                   .boot_source = BootSource{.kernel_image_path = directory_.Write(
                                                 "kernel", PayloadKernel(ResetCode()))},
                   .drives = {{.drive_id = "disk",
                               .path_on_host = directory_.Write("disk", std::string(4096, '\0'))}},
                   .serial = {.serial_out_path = directory_.Path("console")}};
};

TEST_F(StartStopTest, TwoHundredMachinesLeakNoDescriptorThreadOrMemory) {
  for (int i = 0; i < kWarmUpCycles; ++i) ASSERT_EQ(Cycle().exit_code, ExitCode::kOk);
  const ptrdiff_t descriptors = Count("/proc/self/fd");
  const ptrdiff_t threads = Count("/proc/self/task");
  const ptrdiff_t mappings = [] {
    std::ifstream maps("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
  }();
  const long resident = ResidentKib();
  for (int i = kWarmUpCycles; i < kCycles; ++i) ASSERT_EQ(Cycle().exit_code, ExitCode::kOk);
  EXPECT_EQ(Count("/proc/self/fd"), descriptors);
  EXPECT_EQ(Count("/proc/self/task"), threads);
  std::ifstream maps("/proc/self/maps");
  EXPECT_LE(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'), mappings + 8);
  if (!kSanitized) {
    EXPECT_LE(ResidentKib(), resident + kSlackKib);
  }
}

TEST_F(StartStopTest, AMachineThatCannotBeBuiltLeavesNothing) {
  config_.boot_source->kernel_image_path = directory_.Write("not-a-kernel", "text");
  const std::unique_ptr<EventLoop> loop = Must(EventLoop::Create());
  const auto fail = [&] {
    const auto machine = VirtualMachine::Build(config_, {.loop = *loop,
                                                         .metadata = metadata_,
                                                         .journal = journal_,
                                                         .vitals = vitals_,
                                                         .on_end = {}});
    ASSERT_FALSE(machine.has_value());
    EXPECT_THAT(machine.error().message(), testing::HasSubstr("not-a-kernel"));
  };
  fail();  // the loop opens what it needs for itself
  const ptrdiff_t descriptors = Count("/proc/self/fd");
  const ptrdiff_t threads = Count("/proc/self/task");
  for (int i = 0; i < 10; ++i) fail();
  EXPECT_EQ(Count("/proc/self/fd"), descriptors);
  EXPECT_EQ(Count("/proc/self/task"), threads);
}

TEST_F(StartStopTest, MoreDrivesThanPlacesIsAnErrorThatSaysHowMany) {
  for (int i = 0; i < 20; ++i) {
    DriveConfig drive = config_.drives.front();
    drive.drive_id += std::to_string(i);
    config_.drives.push_back(drive);
  }
  const std::unique_ptr<EventLoop> loop = Must(EventLoop::Create());
  const auto machine = VirtualMachine::Build(
      config_,
      {.loop = *loop, .metadata = metadata_, .journal = journal_, .vitals = vitals_, .on_end = {}});
  ASSERT_FALSE(machine.has_value());
  EXPECT_NE(machine.error().message().find("18 virtio devices"), std::string::npos);
}

}  // namespace
}  // namespace ember::vmm
