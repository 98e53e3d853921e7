#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/serial_reg.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "snapshot/fields.h"
#include "tests/payload/machine_snapshot_fixture.h"
#include "vmm/snapshot/merge_diff.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;

// At whatever instant the machine is saved, and the next, and the one after that, its computation
// comes out the same. EMBER_LONG_TESTS makes it 25 computations, a thousand instants.
class MachineChainTest : public MachineSnapshotTest {
 protected:
  // Makes another machine of this one after so long; false if it ended before.
  using Move = std::function<bool(std::unique_ptr<Life>&, microseconds)>;

  void Wander(const Move& move) {
    constexpr uint32_t kMachines = 40;
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(Outcome(*Begin()), Computed(rounds_));
    const auto life_time =
        std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - begin);
    const auto most = static_cast<uint64_t>(life_time.count()) / (kMachines / 2);
    const uint32_t lives = std::getenv("EMBER_LONG_TESTS") != nullptr ? 25 : 1;
    for (uint32_t i = 0; i < lives; ++i) {
      std::filesystem::remove(console_);
      creation_ = {.snapshot_path = state_, .mem_file_path = memory_};
      std::minstd_rand random(1 + i);
      auto life = Begin();
      uint32_t moves = 0;
      while (moves < kMachines && move(life, microseconds(random() % (1 + most)))) ++moves;
      EXPECT_GT(moves, 3U);
      if (!life->end) life->loop->Run();
      EXPECT_EQ(TemporaryDirectory::Read(console_), Computed(rounds_)) << "computation " << i;
    }
  }
};

// Each snapshot takes the place of the one that the machine runs from.
TEST_F(MachineChainTest, AComputationOutlivesManyMachines) {
  Wander([this](std::unique_ptr<Life>& life, microseconds time) {
    if (!SaveAfter(*life, time)) return false;
    life.reset();
    life = Restore();
    return true;
  });
}

// Each machine saves what it wrote itself, which is merged into the memory that it runs from.
TEST_F(MachineChainTest, AComputationOutlivesManyMachinesByDiffs) {
  config_.machine.track_dirty_pages = true;
  Wander([this](std::unique_ptr<Life>& life, microseconds time) {
    if (!SaveAfter(*life, time)) return false;
    life.reset();
    if (creation_.snapshot_type == SnapshotType::kDiff) {
      Must(MergeDiff({.diff = {.state = state_, .memory = creation_.mem_file_path},
                      .base_memory = memory_,
                      .out = memory_}));
    }
    creation_.snapshot_type = SnapshotType::kDiff;
    creation_.mem_file_path = directory_.Path("diff");
    life = Restore();
    return true;
  });
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

// An interrupt that was signalled and not delivered is in no state.
TEST_F(MachineSnapshotTest, ADeviceOfTheBoardSaysOnceMoreWhatItHasToTell) {
  SaveAtOnce();
  const auto triggers = [this] {
    const auto life = Restore(false);
    return life->machine->metrics().interrupts.front().metrics->triggers.value();
  };
  const uint64_t with_nothing_to_tell = triggers();
  SavedMachine state = Must(ReadMachineState(state_));
  state.board.serial.interrupt_enable = UART_IER_THRI;
  state.board.serial.transmit_interrupt = true;
  state.board.keyboard.emplace().reply = 0xfa;
  const std::vector<std::byte> bytes = Must(EncodeMachineState(state));
  directory_.Write("state", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  EXPECT_EQ(triggers(), with_nothing_to_tell + 2);
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

}  // namespace
}  // namespace ember::vmm
