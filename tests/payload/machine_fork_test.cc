#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

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
#include <utility>
#include <vector>

#include "base/concat.h"
#include "tests/payload/machine_snapshot_fixture.h"
#include "vmm/fork/handed_machine.h"
#include "vmm/snapshot/merge_diff.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;
using Handed = std::shared_ptr<const HandedMachine>;

// Machines that are forked while their guests compute, and their clones, all in this process.
class MachineForkTest : public MachineSnapshotTest {
 protected:
  void SetUp() override { config_.machine.forkable = true; }

  // As a Forking does it.
  static Handed Fork(Life& life) {
    for (std::optional<uint64_t> at = 0; at;) at = life.machine->ForgetPageTables(*at);
    Must(life.machine->Pause());
    auto handed = std::make_shared<const HandedMachine>(Must(life.machine->Freeze()));
    Must(life.machine->Resume());
    return handed;
  }
  // Has the machine's loop do so after so long, if it runs until then.
  static EventLoop::Watch ForkAfter(Life& life, microseconds time,
                                    std::function<void(const Handed&)> then) {
    return Must(life.loop->CallAfter(time, [&life, then = std::move(then)] { then(Fork(life)); }));
  }
  Result<std::unique_ptr<Life>> TryClone(const Handed& handed, const std::string& console) {
    auto life = std::make_unique<Life>();
    VmConfig own;
    own.serial.serial_out_path = directory_.Path(console);
    life->machine =
        TRY(VirtualMachine::Restore({.resume_vm = true, .handed = handed}, own, HostOf(*life)));
    return life;
  }
  std::unique_ptr<Life> Clone(const Handed& handed, const std::string& console) {
    return Must(TryClone(handed, console));
  }
  std::string CloneFault(HandedMachine handed) {
    const auto life = TryClone(std::make_shared<const HandedMachine>(std::move(handed)), "fault");
    return life ? "none" : life.error().message();
  }
  void ExpectEnd(Life& life, const std::string& console) {
    if (!life.end) life.loop->Run();
    ASSERT_TRUE(life.end);
    EXPECT_EQ(life.end->exit_code, ExitCode::kOk) << life.end->reason;
    EXPECT_EQ(TemporaryDirectory::Read(directory_.Path(console)), Computed(rounds_)) << console;
  }
  microseconds LifeTime() {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(Outcome(*Begin()), Computed(rounds_));
    return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - begin);
  }
  static ForkRequest OneClone() {
    ForkRequest request;
    request.clones.push_back({.socket_path = "clone", .load = {}, .body = {}});
    return request;
  }
};

// All compute at once, in the same places of what was one memory. EMBER_LONG_TESTS makes it a
// thousand instants.
TEST_F(MachineForkTest, AtWhateverInstantTheParentAndItsClonesCompleteTheComputation) {
  const int forks = std::getenv("EMBER_LONG_TESTS") != nullptr ? 1000 : 4;
  const auto most = static_cast<uint64_t>(LifeTime().count());
  std::minstd_rand random(7);
  int made = 0;
  for (int i = 0; i < forks; ++i) {
    UseConsole("parent");
    std::filesystem::remove(console_);
    const auto parent = Begin();
    std::vector<std::unique_ptr<Life>> clones;
    const EventLoop::Watch timer =
        ForkAfter(*parent, microseconds(random() % most), [&](const Handed& handed) {
          for (size_t clone = 0; clone < 3; ++clone) {
            std::filesystem::remove(directory_.Path(Concat("clone", clone)));
            clones.push_back(Clone(handed, Concat("clone", clone)));
          }
        });
    ExpectEnd(*parent, "parent");
    for (size_t clone = 0; clone < clones.size(); ++clone) {
      ExpectEnd(*clones[clone], Concat("clone", clone));
    }
    if (!clones.empty()) ++made;
  }
  EXPECT_GT(made, forks / 3);
}

TEST_F(MachineForkTest, ClonesThatEndEarlyAndComeLateTouchNobody) {
  const auto parent = Begin();
  const Handed handed = Fork(*parent);
  auto short_lived = Clone(handed, "short");
  const auto clone = Clone(handed, "clone");
  short_lived.reset();
  ExpectEnd(*parent, "console");
  ExpectEnd(*clone, "clone");
  ExpectEnd(*Clone(handed, "late"), "late");
}

// A clone of a clone, and a second one of each of both, while all compute on.
TEST_F(MachineForkTest, ForksAreForkedAndForkAgain) {
  const auto parent = Begin();
  const auto clone = Clone(Fork(*parent), "clone");
  const auto clones_clone = Clone(Fork(*clone), "clone's clone");
  const auto second = Clone(Fork(*parent), "second");
  const auto clones_second = Clone(Fork(*clone), "clone's second");
  ExpectEnd(*parent, "console");
  ExpectEnd(*clone, "clone");
  ExpectEnd(*clones_clone, "clone's clone");
  ExpectEnd(*second, "second");
  ExpectEnd(*clones_second, "clone's second");
}

TEST_F(MachineForkTest, WhatWasNotMadeForItIsForkedByACopy) {
  config_.machine.forkable = false;
  const auto parent = Begin();
  const Handed handed = Fork(*parent);
  const auto clone = Clone(handed, "clone");
  ExpectEnd(*parent, "console");
  ExpectEnd(*clone, "clone");
}

TEST_F(MachineForkTest, WhatWasRestoredIsForked) {
  const auto saved = Begin();
  ASSERT_TRUE(SaveAfter(*saved, microseconds(1)));
  UseConsole("restored");
  const auto restored = Restore();
  const auto clone = Clone(Fork(*restored), "clone");
  ExpectEnd(*restored, "restored");
  ExpectEnd(*clone, "clone");
}

TEST_F(MachineForkTest, WhatWasForkedIsSavedAndRestored) {
  const auto parent = Begin();
  const Handed handed = Fork(*parent);
  Save(*parent);
  UseConsole("restored parent");
  ExpectEnd(*Restore(), "restored parent");
  const auto clone = Clone(handed, "clone");
  Save(*clone);
  EXPECT_FALSE(Must(ReadMachineState(state_)).parent) << "no file has what a fork was made of";
  UseConsole("restored clone");
  ExpectEnd(*Restore(), "restored clone");
}

TEST_F(MachineForkTest, DiffsOfAForkedMachineGoOn) {
  config_.machine.track_dirty_pages = true;
  const auto parent = Begin();
  ASSERT_TRUE(SaveAfter(*parent, microseconds(1)));
  Must(parent->machine->Resume());
  Fork(*parent);
  Must(parent->machine->Pause());
  Must(parent->machine->Save({.snapshot_path = state_,
                              .mem_file_path = directory_.Path("diff"),
                              .snapshot_type = SnapshotType::kDiff}));
  Must(MergeDiff({.diff = {.state = state_, .memory = directory_.Path("diff")},
                  .base_memory = memory_,
                  .out = memory_}));
  UseConsole("restored");
  ExpectEnd(*Restore(), "restored");
}

TEST_F(MachineForkTest, WhatCannotBeForkedSaysWhy) {
  const auto fault = [&](Life& life) {
    const Status can = life.machine->CheckFork(OneClone());
    return can ? "none" : can.error().message();
  };
  const auto parent = Begin();
  EXPECT_EQ(fault(*parent), "none");
  config_.machine.forkable = false;
  config_.machine.huge_pages = HugePages::kTransparent;
  EXPECT_THAT(fault(*Begin()), HasSubstr("huge_pages"));
  config_.machine.huge_pages = HugePages::kNone;
  config_.memory_hotplug = MemoryHotplugConfig{.total_size_mib = 256};
  EXPECT_THAT(fault(*Begin()), HasSubstr("memory-hotplug"));
  config_.memory_hotplug.reset();
  config_.drives = {{.drive_id = "disk", .path_on_host = directory_.Write("disk", "12345678")}};
  EXPECT_THAT(fault(*Begin()), HasSubstr("drive disk: it can be written to"));
  config_.drives.front().is_read_only = true;
  EXPECT_EQ(fault(*Begin()), "none");
}

TEST_F(MachineForkTest, WhatIsHandedAndNoMachineIsRefused) {
  const auto parent = Begin();
  const Handed handed = Fork(*parent);
  const auto copy = [](const Fd& fd) { return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); };
  const auto shared = [](Fd fd) { return std::make_shared<const Fd>(std::move(fd)); };
  const std::vector<std::byte> few(100);
  EXPECT_THAT(CloneFault({.state = Must(SealedFile(few)), .memory = handed->memory}),
              HasSubstr("state of a running machine"));
  EXPECT_THAT(CloneFault({.state = copy(handed->state), .memory = shared(Must(SealedFile(few)))}),
              HasSubstr("100 bytes long"));
  EXPECT_THAT(CloneFault({.state = copy(handed->state),
                          .memory = shared(Fd(::memfd_create("open", MFD_ALLOW_SEALING)))}),
              HasSubstr("can still be changed"));
  EXPECT_THAT(CloneFault({.state = Must(OpenFile("/dev/null", Access::kReadOnly)),
                          .memory = handed->memory}),
              HasSubstr("not a file in memory"));
  ExpectEnd(*Clone(handed, "clone"), "clone");
}

}  // namespace
}  // namespace ember::vmm
