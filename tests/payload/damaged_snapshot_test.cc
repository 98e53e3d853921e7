#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "tests/payload/machine_snapshot_fixture.h"
#include "vmm/snapshot/snapshot_files.h"

// Snapshots whose files are not what they should be.
namespace ember::vmm {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;

ptrdiff_t Count(const std::string& directory) {
  return std::distance(std::filesystem::directory_iterator(directory),
                       std::filesystem::directory_iterator());
}

class DamagedSnapshotTest : public MachineSnapshotTest {
 protected:
  // The state file with something in it changed.
  void ChangeState(const std::function<void(SavedMachine&)>& change) {
    SavedMachine state = Must(ReadMachineState(state_));
    change(state);
    const std::vector<std::byte> bytes = *snapshot::EncodeStateFile(snapshot::ToTree(state));
    std::ofstream(state_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
};

TEST_F(DamagedSnapshotTest, FilesThatAreNotThereAreNamed) {
  EXPECT_THAT(RestoreFault(), HasSubstr(state_));
  SaveAtOnce();
  std::filesystem::rename(memory_, directory_.Path("elsewhere"));
  EXPECT_THAT(RestoreFault(), HasSubstr(memory_));
  std::filesystem::rename(directory_.Path("elsewhere"), memory_);
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

TEST_F(DamagedSnapshotTest, AMemoryFileThatIsTooShortOrTooLongIsNamed) {
  SaveAtOnce();
  const auto size = std::filesystem::file_size(memory_);
  for (const uintmax_t wrong : {uintmax_t{0}, size - 4096, size - 1, size + 1, size + 4096}) {
    std::filesystem::resize_file(memory_, wrong);
    EXPECT_THAT(RestoreFault(), HasSubstr(memory_)) << wrong;
  }
}

TEST_F(DamagedSnapshotTest, AnotherSnapshotsMemoryIsRefused) {
  SaveAtOnce();
  std::filesystem::copy_file(memory_, directory_.Path("first"));
  SaveAtOnce();
  std::filesystem::rename(directory_.Path("first"), memory_);
  EXPECT_THAT(RestoreFault(), HasSubstr("is not the memory of the snapshot"));
}

// A byte in another way, and a length. EMBER_LONG_TESTS goes over all of them.
TEST_F(DamagedSnapshotTest, AStateThatIsDamagedIsRefusedAndLeavesNothing) {
  SaveAtOnce();
  const std::string good = TemporaryDirectory::Read(state_);
  EXPECT_NE(RestoreFault(), "");  // the loop opens what it needs for itself
  const ptrdiff_t descriptors = Count("/proc/self/fd");
  const ptrdiff_t threads = Count("/proc/self/task");
  const size_t step = std::getenv("EMBER_LONG_TESTS") != nullptr ? 1 : good.size() / 100;
  std::minstd_rand random(1);
  const auto expect_refused = [&](const std::string& bad) {
    std::ofstream(state_, std::ios::binary) << bad;
    EXPECT_THAT(RestoreFault(), HasSubstr(state_));
  };
  for (size_t at = random() % step; at < good.size(); at += step) {
    std::string bad = good;
    bad[at] ^= static_cast<char>(1 + random() % 255);
    expect_refused(bad);
    expect_refused(good.substr(0, at));
  }
  EXPECT_EQ(Count("/proc/self/fd"), descriptors);
  EXPECT_EQ(Count("/proc/self/task"), threads);
}

TEST_F(DamagedSnapshotTest, AMemoryFileReplacedWhileAMachineRunsFromItStaysItsMemory) {
  SaveAtOnce();
  const auto life = Restore(false);
  const std::string other = directory_.Write("other", std::string(4096, '\xf4'));
  std::filesystem::rename(other, memory_);
  Must(life->machine->Resume());
  EXPECT_EQ(Outcome(*life), Computed(rounds_));
}

// Against the rule that nobody shortens it: the machine ends, and says so.
TEST_F(DamagedSnapshotTest, AMemoryFileCutOffUnderAMachineEndsIt) {
  SaveAtOnce();
  const auto life = Restore(false);
  std::filesystem::resize_file(memory_, 0);
  Must(life->machine->Resume());
  life->loop->Run();
  ASSERT_TRUE(life->end);
  EXPECT_NE(life->end->exit_code, ExitCode::kOk);
  EXPECT_THAT(life->end->reason, HasSubstr("vCPU 0"));
}

TEST_F(DamagedSnapshotTest, AStateThatContradictsItselfIsRefused) {
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

TEST_F(DamagedSnapshotTest, ASnapshotThatCannotBeWrittenLeavesTheMachineAsItWas) {
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
