#ifndef EMBER_TESTS_PAYLOAD_MACHINE_SNAPSHOT_FIXTURE_H_
#define EMBER_TESTS_PAYLOAD_MACHINE_SNAPSHOT_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/journal.h"
#include "kvm/system.h"
#include "mmds/metadata.h"
#include "tests/base/temporary_directory.h"
#include "tests/payload/computing_kernel.h"
#include "tests/payload/payload_guest.h"
#include "tests/payload/payload_kernel.h"
#include "vmm/virtual_machine.h"
#include "vmm/vitals.h"

namespace ember::vmm {

// Whole machines that are saved at some instant and go on in others: the guest computes for a while
// and says what came out.
class MachineSnapshotTest : public ::testing::Test {
 protected:
  // A machine and the loop of its thread.
  struct Life {
    std::unique_ptr<EventLoop> loop = Must(EventLoop::Create());
    std::optional<MachineEnd> end;
    std::unique_ptr<Machine> machine;
  };

  MachineHost HostOf(Life& life) {
    return {.loop = *life.loop,
            .metadata = metadata_,
            .journal = journal_,
            .vitals = vitals_,
            .on_end = [&life](const MachineEnd& told) {
              life.end = told;
              life.loop->Stop();
            }};
  }
  std::unique_ptr<Life> Begin() {
    auto life = std::make_unique<Life>();
    life->machine = Must(VirtualMachine::Build(config_, HostOf(*life)));
    return life;
  }
  Result<std::unique_ptr<Life>> TryRestore(bool resume = true) {
    auto life = std::make_unique<Life>();
    SnapshotLoad load{.snapshot_path = state_,
                      .memory = {.backend_path = memory_,
                                 .record_working_set = record_working_set_,
                                 .working_set_path = working_set_path_}};
    load.resume_vm = resume;
    load.track_dirty_pages = config_.machine.track_dirty_pages;
    VmConfig own;
    own.serial = config_.serial;
    life->machine = TRY(VirtualMachine::Restore(load, own, HostOf(*life)));
    return life;
  }
  std::unique_ptr<Life> Restore(bool resume = true) { return Must(TryRestore(resume)); }
  std::string RestoreFault() {
    const auto life = TryRestore();
    return life ? "none" : life.error().message();
  }

  void Save(Life& life) {
    Must(life.machine->Pause());
    Must(life.machine->Save(creation_));
  }
  // Saves the machine after so long; false if it ended before.
  bool SaveAfter(Life& life, std::chrono::microseconds time) {
    const EventLoop::Watch timer = Must(life.loop->CallAfter(time, [&] {
      Save(life);
      life.loop->Stop();
    }));
    life.loop->Run();
    return !life.end.has_value();
  }
  // Saves at once, as the guest can begin only then.
  void SaveAtOnce() {
    const auto life = Begin();
    ASSERT_TRUE(SaveAfter(*life, std::chrono::microseconds(1)));
  }
  // What the machine writes in all its life.
  std::string Outcome(Life& life) {
    life.loop->Run();
    EXPECT_TRUE(life.end);
    EXPECT_EQ(life.end->exit_code, ExitCode::kOk) << life.end->reason;
    return TemporaryDirectory::Read(console_);
  }
  // Where the machines made from now on write.
  void UseConsole(std::string_view name) {
    console_ = directory_.Path(name);
    config_.serial.serial_out_path = console_;
  }

  // The software back end does the guest's kernel mode step by step.
  const uint32_t rounds_ =
      Must(kvm::System::Open()).backend() == kvm::Backend::kSoftware ? 100'000 : 60'000'000;
  TemporaryDirectory directory_;
  const std::string state_ = directory_.Path("state");
  const std::string memory_ = directory_.Path("memory");
  SnapshotCreation creation_{.snapshot_path = state_, .mem_file_path = memory_};
  bool record_working_set_ = false;
  std::optional<std::string> working_set_path_;
  std::string console_ = directory_.Path("console");
  mmds::Metadata metadata_{1024};
  Journal journal_;
  Vitals vitals_;
  VmConfig config_{.machine = {.vcpu_count = 1, .mem_size_mib = 16},
                   .boot_source = BootSource{.kernel_image_path = directory_.Write(
                                                 "kernel", PayloadKernel(ComputingCode(rounds_)))},
                   .serial = {.serial_out_path = console_}};

  // Every device that needs nothing of the host's but files.
  void AddDevices() {
    config_.machine.vcpu_count = 2;
    config_.drives = {{.drive_id = "disk",
                       .path_on_host = directory_.Write("disk", std::string(8192, '\1')),
                       .thread = ThreadChoice::kOwn}};
    config_.pmem = {
        {.id = "pmem", .path_on_host = directory_.Write("pmem", std::string(4096, '\2'))}};
    config_.balloon = BalloonConfig{.amount_mib = 1, .deflate_on_oom = true};
    config_.entropy = EntropyConfig{};
    config_.vsock = VsockConfig{.guest_cid = 3, .uds_path = directory_.Path("vsock")};
    config_.console = ConsoleConfig{
        .ports = {{.id = "port", .socket_path = directory_.Path("port"), .is_console = true}}};
    config_.memory_hotplug = MemoryHotplugConfig{.total_size_mib = 256};
  }
};

}  // namespace ember::vmm

#endif  // EMBER_TESTS_PAYLOAD_MACHINE_SNAPSHOT_FIXTURE_H_
