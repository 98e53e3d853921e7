// A process that writes to an overlay, killed at random instants.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <random>
#include <string>

#include "base/mapping.h"
#include "tests/base/temporary_directory.h"
#include "tests/virtio/block/overlay/overlay_fixture.h"
#include "tests/virtio/block/overlay/tagged_sectors.h"
#include "virtio/block/overlay/open_overlay.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kSectors = 64 * 128 + 3;

// One thing that the process does; `tag` is 0 for a flush.
struct Step {
  uint64_t first = 0;
  uint64_t count = 0;
  Tag tag = 0;
};

// The same steps for the process and for who checks it.
class Script {
 public:
  explicit Script(uint32_t seed) : random_(seed), next_tag_(Tag{seed} << 32) {}
  Step Next() {
    if (random_() % 4 == 0) return {};
    const uint64_t first = random_() % kSectors;
    return {.first = first,
            .count = std::min<uint64_t>(kSectors - first, 1 + random_() % 200),
            .tag = ++next_tag_};
  }

 private:
  std::minstd_rand random_;
  Tag next_tag_;
};

// How far the process is, in memory that outlives it.
struct Progress {
  std::atomic<uint64_t> begun{0};
  std::atomic<uint64_t> flushed{0};  // steps that a flush covered
};

class OverlayKillTest : public ::testing::Test {
 protected:
  OverlayKillTest() {
    for (uint64_t i = 0; i < kSectors; ++i) expected.Set(i, 0);
  }

  // The process. Ends only by being killed.
  [[noreturn]] void Work(uint32_t seed, Progress& progress) const {
    const auto disk = OpenOverlay(overlay, base);
    if (!disk) ::_exit(1);
    Script script(seed);
    for (uint64_t i = 1;; ++i) {
      const Step step = script.Next();
      progress.begun.store(i, std::memory_order_release);
      if (step.tag == 0) {
        if (!(*disk)->Flush()) ::_exit(2);
        progress.flushed.store(i, std::memory_order_release);
      } else if (!WriteAll(**disk, step.first * 512, TaggedSectors(step.tag, step.count))) {
        ::_exit(3);
      }
    }
  }

  // Lets a process work, kills it somewhere after its first `steps` steps, and notes what it may
  // have left.
  void WorkAndKill(uint32_t seed, uint64_t steps) {
    Progress& progress = *new (shared.data()) Progress;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) Work(seed, progress);
    int status = 0;
    while (progress.begun.load(std::memory_order_acquire) < steps) {
      ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << "it ended with " << status;
      ::sched_yield();
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;

    Script script(seed);
    const uint64_t begun = progress.begun.load(std::memory_order_acquire);
    const uint64_t flushed = progress.flushed.load(std::memory_order_acquire);
    for (uint64_t i = 1; i <= begun; ++i) {
      const Step step = script.Next();
      if (step.tag != 0) expected.Add(step.first, step.count, step.tag);
      if (i == flushed) expected.Flushed();
    }
  }

  void Verify() {
    const auto disk = OpenOverlay(overlay, base);
    ASSERT_TRUE(disk.has_value()) << disk.error().message();
    for (uint64_t i = 0; i < kSectors; ++i) {
      const std::optional<Tag> tag = ReadTag(**disk, i);
      ASSERT_TRUE(tag.has_value()) << "sector " << i << " is torn";
      ASSERT_TRUE(expected.Allows(i, *tag)) << "sector " << i << " holds " << *tag;
      expected.Set(i, *tag);
    }
  }

  TemporaryDirectory directory;
  std::string base = directory.Write("base.img", std::string(kSectors * 512, '\0'));
  std::string overlay = directory.Path("changes.overlay");
  Mapping shared = MakeShared();
  ExpectedSectors expected{kSectors};

 private:
  static Mapping MakeShared() {
    const Fd file(::memfd_create("progress", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(file.get(), sizeof(Progress)), 0);
    return *Mapping::File(file, {.size_bytes = sizeof(Progress)});
  }
};

// EMBER_LONG_TESTS makes it 80 times as long.
TEST_F(OverlayKillTest, LosesNothingFlushedThroughManyKills) {
  std::minstd_rand random(11);
  const uint32_t kills = std::getenv("EMBER_LONG_TESTS") != nullptr ? 1000 : 12;
  for (uint32_t i = 1; i <= kills; ++i) {
    ASSERT_NO_FATAL_FAILURE(WorkAndKill(i, random() % 150)) << "kill " << i;
    ASSERT_NO_FATAL_FAILURE(Verify()) << "kill " << i;
  }
}

}  // namespace
}  // namespace ember::virtio::testing
