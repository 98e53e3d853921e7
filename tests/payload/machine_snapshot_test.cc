#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/endian.h"
#include "base/event_loop.h"
#include "base/journal.h"
#include "mmds/metadata.h"
#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/payload/payload_guest.h"
#include "tests/payload/payload_kernel.h"
#include "vmm/snapshot/merge_diff.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/virtual_machine.h"
#include "vmm/vitals.h"

// Whole machines that are saved at some instant and go on in others.
namespace ember::vmm {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;

constexpr uint32_t kSeed = 0x1234'5679;
constexpr uint32_t kFactor = 0x5851'f42d;
constexpr uint32_t kTableWords = 0x1'0000;

std::string Number(uint32_t value) {
  std::string bytes(sizeof(value), '\0');
  StoreLe(value, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// A kernel that computes in registers and in a table in memory, writes four bytes of the outcome to
// the serial port and resets the machine. 32-bit protected mode.
std::string ComputingCode(uint32_t rounds) {
  std::string code;
  code += "\xb8" + Number(kSeed);      // mov eax, kSeed
  code += "\xb9" + Number(rounds);     // mov ecx, rounds
  code += "\xbf" + Number(0x40'0000);  // mov edi, the table
  const size_t round = code.size();
  code += "\x69\xc0" + Number(kFactor);          // imul eax, eax, kFactor
  code += "\x01\xc8\x89\xcb";                    // add eax, ecx; mov ebx, ecx
  code += "\x81\xe3" + Number(kTableWords - 1);  // and ebx, kTableWords - 1
  code += "\x31\x04\x9f\x49";                    // xor [edi + 4 * ebx], eax; dec ecx
  code += "\x75";                                // jnz round
  code += static_cast<char>(round - code.size() - 1);
  code += "\xb9" + Number(kTableWords);  // mov ecx, kTableWords
  const size_t word = code.size();
  code += "\x03\x44\x8f\xfc\x49";  // add eax, [edi + 4 * ecx - 4]; dec ecx
  code += "\x75";                  // jnz word
  code += static_cast<char>(word - code.size() - 1);
  code += "\x66\xba\xf8\x03";                              // mov dx, 0x3f8
  for (int i = 0; i < 4; ++i) code += "\xee\xc1\xe8\x08";  // out dx, al; shr eax, 8
  return code + ResetCode();
}

std::string Computed(uint32_t rounds) {
  std::vector<uint32_t> table(kTableWords);
  uint32_t value = kSeed;
  for (uint32_t left = rounds; left > 0; --left) {
    value = value * kFactor + left;
    table[left % kTableWords] ^= value;
  }
  for (const uint32_t word : table) value += word;
  return Number(value);
}

ptrdiff_t Count(const std::string& directory) {
  return std::distance(std::filesystem::directory_iterator(directory),
                       std::filesystem::directory_iterator());
}

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
    SnapshotLoad load{.snapshot_path = state_, .memory = {.backend_path = memory_}};
    load.resume_vm = resume;
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
    Must(life.machine->Save({.snapshot_path = state_, .mem_file_path = memory_}));
  }
  // Saves the machine after so long; false if it ended before.
  bool SaveAfter(Life& life, microseconds time) {
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
    ASSERT_TRUE(SaveAfter(*life, microseconds(1)));
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
  // The state file with something in it changed.
  void ChangeState(const std::function<void(SavedMachine&)>& change) {
    SavedMachine state = Must(ReadMachineState(state_));
    change(state);
    const std::vector<std::byte> bytes = snapshot::EncodeStateFile(snapshot::ToTree(state));
    std::ofstream(state_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  // The software back end does the guest's kernel mode step by step.
  const uint32_t rounds_ =
      Must(kvm::System::Open()).backend() == kvm::Backend::kSoftware ? 100'000 : 60'000'000;
  TemporaryDirectory directory_;
  const std::string state_ = directory_.Path("state");
  const std::string memory_ = directory_.Path("memory");
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

// At whatever instant the machine is saved, and the next, and the one after that, its computation
// comes out the same. Each snapshot takes the place of the one that the machine runs from.
TEST_F(MachineSnapshotTest, AComputationOutlivesManyMachines) {
  constexpr int kMachines = 40;
  const auto begin = std::chrono::steady_clock::now();
  std::string outcome = Outcome(*Begin());
  const auto life_time =
      std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - begin);
  ASSERT_EQ(outcome, Computed(rounds_));
  std::filesystem::remove(console_);

  std::minstd_rand random(1);
  auto life = Begin();
  int moves = 0;
  for (; moves < kMachines; ++moves) {
    const auto most = static_cast<uint64_t>(life_time.count()) / (kMachines / 2);
    const microseconds time(random() % (1 + most));
    if (!SaveAfter(*life, time)) break;
    life.reset();
    life = Restore();
  }
  EXPECT_GT(moves, 3);
  if (!life->end) life->loop->Run();
  EXPECT_EQ(TemporaryDirectory::Read(console_), Computed(rounds_));
}

TEST_F(MachineSnapshotTest, TheSavedMachineGoesOnAsIfNothingHadBeen) {
  const auto life = Begin();
  int saves = 0;
  std::optional<EventLoop::Watch> timer;
  const std::function<void()> save = [&] {
    Save(*life);
    Must(life->machine->Resume());
    if (++saves < 5) timer = Must(life->loop->CallAfter(microseconds(500), save));
  };
  timer = Must(life->loop->CallAfter(microseconds(500), save));
  EXPECT_EQ(Outcome(*life), Computed(rounds_));
  EXPECT_GT(saves, 0);
}

TEST_F(MachineSnapshotTest, MachinesOfOneSnapshotDoNotMeet) {
  SaveAtOnce();
  UseConsole("one");
  const auto one = Restore(false);
  UseConsole("other");
  const auto other = Restore(false);
  Must(one->machine->Resume());
  Must(other->machine->Resume());
  EXPECT_EQ(Outcome(*other), Computed(rounds_));
  UseConsole("one");
  EXPECT_EQ(Outcome(*one), Computed(rounds_));
  UseConsole("third");
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

TEST_F(MachineSnapshotTest, WhatIsRestoredIsSavedTheSameAgain) {
  AddDevices();
  SaveAtOnce();
  const SavedMachine before = Must(ReadMachineState(state_));
  const auto life = Restore(false);
  EXPECT_EQ(life->machine->config().drives, config_.drives);
  EXPECT_FALSE(life->machine->config().boot_source);
  Must(life->machine->Save({.snapshot_path = state_, .mem_file_path = memory_}));
  const SavedMachine after = Must(ReadMachineState(state_));
  EXPECT_NE(after.name, before.name);
  EXPECT_EQ(snapshot::ToTree(after.devices), snapshot::ToTree(before.devices));
  EXPECT_EQ(snapshot::ToTree(after.board.serial), snapshot::ToTree(before.board.serial));
  EXPECT_EQ(after.pluggable->start, before.pluggable->start);
  EXPECT_EQ(after.vcpus.size(), 2U);
}

TEST_F(MachineSnapshotTest, AMachineOfManyDevicesComesToItsEnd) {
  AddDevices();
  SaveAtOnce();
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

// What a machine writes between two instants is in the diff of the second one, and what came before
// is not.
TEST_F(MachineSnapshotTest, DiffsPutOverTheFirstSnapshotMakeTheMachine) {
  config_.machine.track_dirty_pages = true;
  const auto life = Begin();
  const std::string base = directory_.Path("base");
  int saves = 0;
  std::optional<EventLoop::Watch> timer;
  const std::function<void()> save = [&] {
    Must(life->machine->Pause());
    const SnapshotType type = saves == 0 ? SnapshotType::kFull : SnapshotType::kDiff;
    const std::string path = saves == 0 ? base : memory_;
    Must(life->machine->Save(
        {.snapshot_path = state_, .mem_file_path = path, .snapshot_type = type}));
    if (saves > 0) {
      Must(MergeDiff(
          {.diff = {.state = state_, .memory = memory_}, .base_memory = base, .out = base}));
    }
    if (++saves == 4) return life->loop->Stop();
    Must(life->machine->Resume());
    timer = Must(life->loop->CallAfter(microseconds(500), save));
  };
  timer = Must(life->loop->CallAfter(microseconds(500), save));
  life->loop->Run();
  ASSERT_FALSE(life->end);
  UseConsole("restored");
  EXPECT_THAT(RestoreFault(), HasSubstr("diff"));
  std::filesystem::rename(base, memory_);
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

TEST_F(MachineSnapshotTest, ADiffNeedsTheTrackingOfPages) {
  const auto life = Begin();
  Must(life->machine->Pause());
  const Status saved = life->machine->Save(
      {.snapshot_path = state_, .mem_file_path = memory_, .snapshot_type = SnapshotType::kDiff});
  ASSERT_FALSE(saved);
  EXPECT_THAT(saved.error().message(), HasSubstr("dirty page tracking disabled"));
}

TEST_F(MachineSnapshotTest, FilesThatAreNotThereAreNamed) {
  EXPECT_THAT(RestoreFault(), HasSubstr(state_));
  SaveAtOnce();
  std::filesystem::rename(memory_, directory_.Path("elsewhere"));
  EXPECT_THAT(RestoreFault(), HasSubstr(memory_));
  std::filesystem::rename(directory_.Path("elsewhere"), memory_);
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

TEST_F(MachineSnapshotTest, AMemoryFileThatIsTooShortOrTooLongIsNamed) {
  SaveAtOnce();
  const auto size = std::filesystem::file_size(memory_);
  for (const uintmax_t wrong : {uintmax_t{0}, size - 4096, size - 1, size + 1, size + 4096}) {
    std::filesystem::resize_file(memory_, wrong);
    EXPECT_THAT(RestoreFault(), HasSubstr(memory_)) << wrong;
  }
}

TEST_F(MachineSnapshotTest, AnotherSnapshotsMemoryIsRefused) {
  SaveAtOnce();
  std::filesystem::copy_file(memory_, directory_.Path("first"));
  SaveAtOnce();
  std::filesystem::rename(directory_.Path("first"), memory_);
  EXPECT_THAT(RestoreFault(), HasSubstr("is not the memory of the snapshot"));
}

TEST_F(MachineSnapshotTest, AStateThatIsDamagedIsRefusedAndLeavesNothing) {
  SaveAtOnce();
  const std::string good = TemporaryDirectory::Read(state_);
  std::minstd_rand random(1);
  EXPECT_NE(RestoreFault(), "");  // the loop opens what it needs for itself
  const ptrdiff_t descriptors = Count("/proc/self/fd");
  const ptrdiff_t threads = Count("/proc/self/task");
  for (int i = 0; i < 200; ++i) {
    std::string bad = good;
    if (i % 2 == 0) {
      bad[random() % bad.size()] ^= static_cast<char>(1 + random() % 255);
    } else {
      bad.resize(random() % bad.size());
    }
    std::ofstream(state_, std::ios::binary) << bad;
    EXPECT_THAT(RestoreFault(), HasSubstr(state_));
  }
  EXPECT_EQ(Count("/proc/self/fd"), descriptors);
  EXPECT_EQ(Count("/proc/self/task"), threads);
}

TEST_F(MachineSnapshotTest, AStateThatContradictsItselfIsRefused) {
  AddDevices();
  SaveAtOnce();
  const std::string good = TemporaryDirectory::Read(state_);
  struct Case {
    std::function<void(SavedMachine&)> change;
    std::string_view fault;
  };
  const auto pmem = [](SavedMachine& state) -> VirtioState& { return state.devices.devices[1]; };
  const Case cases[] = {
      {[](SavedMachine& state) { state.config = "{"; }, "the configuration"},
      {[](SavedMachine& state) { state.config = "{\"drives\":[]}"; }, "pmem pmem"},
      {[](SavedMachine& state) { state.vcpus.pop_back(); }, "vCPUs"},
      {[](SavedMachine& state) { state.vcpus[1].parts.clear(); }, "vCPU 1"},
      {[](SavedMachine& state) { state.controllers.pop_back(); }, "interrupt controllers"},
      {[](SavedMachine& state) { state.devices.devices.pop_back(); }, "no such device"},
      {[](SavedMachine& state) { state.devices.devices.push_back(state.devices.devices[0]); },
       "devices"},
      {[](SavedMachine& state) { state.devices.devices[0].address = GuestAddress{0}; },
       "drive disk"},
      {[&](SavedMachine& state) { pmem(state).memory->start = GuestAddress{0}; }, "pmem pmem"},
      {[&](SavedMachine& state) { pmem(state).memory.reset(); }, "pmem pmem"},
      {[](SavedMachine& state) { state.pluggable.reset(); }, "pluggable memory"},
      {[](SavedMachine& state) { state.pluggable->start = GuestAddress{0}; }, "memory-hotplug"},
      {[](SavedMachine& state) { state.pluggable->start = GuestAddress{~uint64_t{0} - 4095}; },
       "memory-hotplug"},
      {[](SavedMachine& state) { state.diff.emplace(); }, "diff"},
  };
  for (const Case& each : cases) {
    std::ofstream(state_, std::ios::binary) << good;
    ChangeState(each.change);
    EXPECT_THAT(RestoreFault(), HasSubstr(each.fault));
  }
  std::ofstream(state_, std::ios::binary) << good;
  EXPECT_EQ(RestoreFault(), "none");
}

TEST_F(MachineSnapshotTest, ASnapshotThatCannotBeWrittenLeavesTheMachineAsItWas) {
  const auto life = Begin();
  const EventLoop::Watch timer = Must(life->loop->CallAfter(microseconds(1), [&] {
    Must(life->machine->Pause());
    const std::string nowhere = directory_.Path("nowhere/state");
    const Status saved = life->machine->Save({.snapshot_path = nowhere, .mem_file_path = memory_});
    ASSERT_FALSE(saved);
    EXPECT_THAT(saved.error().message(), HasSubstr(nowhere));
    EXPECT_FALSE(std::filesystem::exists(memory_));
    Must(life->machine->Resume());
  }));
  EXPECT_EQ(Outcome(*life), Computed(rounds_));
}

}  // namespace
}  // namespace ember::vmm
