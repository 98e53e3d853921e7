#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>

#include "memory/user_faults.h"
#include "tests/payload/machine_snapshot_fixture.h"
#include "vmm/snapshot/merge_diff.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/snapshot/working_set.h"

// Machines whose first touches are noted, and machines that have them at once.
namespace ember::vmm {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = DirtyPages::kPageBytes;
// Where the computing kernel has its table, all of which it touches.
constexpr uint64_t kTablePage = 0x40'0000 / kPage;
constexpr uint64_t kTablePages = 0x4'0000 / kPage;
constexpr uint64_t kPages = (uint64_t{16} << 20) / kPage;

class WorkingSetMachineTest : public MachineSnapshotTest {
 protected:
  void SetUp() override {
    const auto memory = Must(GuestMemory::Create({{GuestAddress{0}, kPage}}, {}));
    const Result<UserFaults> allowed = UserFaults::Begin(*memory);
    if (!allowed) GTEST_SKIP() << "NOT RUN: " << allowed.error().message();
  }
  std::unique_ptr<Life> Record() {
    record_working_set_ = true;
    auto life = Restore();
    record_working_set_ = false;
    return life;
  }
  // How many of the pages [first, first + count) are in the set of the snapshot at state_.
  uint64_t CountIn(const std::string& path, uint64_t first, uint64_t count) const {
    snapshot::MemoryPiece ram;
    ram.region.range.size_bytes = kPages * kPage;
    const snapshot::PageBits bits =
        Must(ReadWorkingSet(path, Must(ReadMachineState(state_)).name, {ram}));
    uint64_t found = 0;
    for (uint64_t page = first; page < first + count; ++page) {
      found += bits[0][page / 64] >> page % 64 & 1;
    }
    return found;
  }
  // Of a machine that was recorded to its end.
  void MakeSet() {
    SaveAtOnce();
    const auto life = Record();
    EXPECT_EQ(Outcome(*life), Computed(rounds_));
    Must(life->machine->SaveWorkingSet(set_));
    UseConsole("another");
  }

  const std::string set_ = directory_.Path("set");
};

TEST_F(WorkingSetMachineTest, HoldsWhatTheGuestTouchedAndLittleElse) {
  MakeSet();
  EXPECT_EQ(CountIn(set_, kTablePage, kTablePages), kTablePages);
  EXPECT_EQ(CountIn(set_, 0x10'0000 / kPage, 1), 1U) << "its code";
  EXPECT_LT(CountIn(set_, 0, kPages), kTablePages + 64);
}

TEST_F(WorkingSetMachineTest, AMachineThatHasItComputesTheSame) {
  MakeSet();
  working_set_path_ = set_;
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

TEST_F(WorkingSetMachineTest, WithEveryDeviceItIsRecordedAndUsed) {
  AddDevices();
  SaveAtOnce();
  {
    const auto life = Record();
    EXPECT_EQ(Outcome(*life), Computed(rounds_));
    Must(life->machine->SaveWorkingSet(set_));
    UseConsole("another");
  }
  working_set_path_ = set_;
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

// While it is recorded, and whatever of its memory was delivered by then.
TEST_F(WorkingSetMachineTest, AMachineThatIsRecordedIsSavedByADiff) {
  config_.machine.track_dirty_pages = true;
  SaveAtOnce();
  auto life = Record();
  creation_ = {.snapshot_path = directory_.Path("diff_state"),
               .mem_file_path = directory_.Path("diff"),
               .snapshot_type = SnapshotType::kDiff};
  ASSERT_TRUE(SaveAfter(*life, std::chrono::microseconds(2000)));
  life.reset();
  Must(MergeDiff({.diff = {.state = creation_.snapshot_path, .memory = creation_.mem_file_path},
                  .base_memory = memory_,
                  .out = memory_}));
  std::filesystem::rename(creation_.snapshot_path, state_);
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

TEST_F(WorkingSetMachineTest, AWholeSnapshotOfOneIsWholeAndIsNotNoted) {
  SaveAtOnce();
  auto life = Record();
  creation_.mem_file_path = directory_.Path("memory2");
  creation_.snapshot_path = directory_.Path("state2");
  ASSERT_TRUE(SaveAfter(*life, std::chrono::microseconds(2000)));
  Must(life->machine->SaveWorkingSet(set_));
  EXPECT_LT(CountIn(set_, 0, kPages), kTablePages + 64);
  life.reset();
  std::filesystem::rename(creation_.mem_file_path, memory_);
  std::filesystem::rename(creation_.snapshot_path, state_);
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
  working_set_path_ = set_;
  EXPECT_THAT(RestoreFault(), HasSubstr(set_ + " is the working set of the snapshot "));
}

TEST_F(WorkingSetMachineTest, AMachineThatIsNotRecordedHasNone) {
  SaveAtOnce();
  const auto life = Restore(false);
  const Status saved = life->machine->SaveWorkingSet(set_);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().message(), "the machine was not loaded with record_working_set");
  EXPECT_FALSE(std::filesystem::exists(set_));
}

// EMBER_LONG_TESTS goes over all of its bytes.
TEST_F(WorkingSetMachineTest, ADamagedOneIsRefusedAndLeavesNoMachine) {
  MakeSet();
  working_set_path_ = set_;
  const std::string good = TemporaryDirectory::Read(set_);
  const size_t step = std::getenv("EMBER_LONG_TESTS") != nullptr ? 1 : good.size() / 20;
  std::minstd_rand random(1);
  for (size_t at = random() % step; at < good.size(); at += step) {
    std::string bad = good;
    bad[at] ^= static_cast<char>(1 + random() % 255);
    std::ofstream(set_, std::ios::binary) << bad;
    EXPECT_THAT(RestoreFault(), HasSubstr(set_));
    std::ofstream(set_, std::ios::binary) << good.substr(0, at);
    EXPECT_THAT(RestoreFault(), HasSubstr(set_));
  }
  std::ofstream(set_, std::ios::binary) << good;
  EXPECT_EQ(Outcome(*Restore()), Computed(rounds_));
}

// Against the rule that nobody shortens it: the machine ends, and says so, and reads no zeros.
TEST_F(WorkingSetMachineTest, AMemoryFileCutOffUnderAMachineThatIsRecordedEndsIt) {
  SaveAtOnce();
  record_working_set_ = true;
  const auto life = Restore(false);
  std::filesystem::resize_file(memory_, 0);
  Must(life->machine->Resume());
  life->loop->Run();
  ASSERT_TRUE(life->end);
  EXPECT_EQ(life->end->exit_code, ExitCode::kGenericError);
  EXPECT_THAT(life->end->reason, HasSubstr("memory file " + memory_ + ": the page at "));
}

}  // namespace
}  // namespace ember::vmm
