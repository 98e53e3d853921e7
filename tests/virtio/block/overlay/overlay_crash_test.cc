// Loss of power and death at every instant: what was flushed is there afterwards, and what was not
// is as it was at some time since.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <vector>

#include "tests/virtio/block/overlay/overlay_fixture.h"
#include "tests/virtio/block/overlay/tagged_sectors.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kSectors = kDiskBytes / 512;

class OverlayCrashTest : public OverlayTest {
 protected:
  OverlayCrashTest() {
    base = Medium(std::vector<std::byte>());
    for (uint64_t i = 0; i < kSectors; ++i) {
      const Tag tag = (uint64_t{1} << 40) + i;
      base.Write(i * 512, TaggedSectors(tag, 1));
      expected.Set(i, tag);
    }
  }

  // Opens the disk and works on it until the medium dies, or `steps` are done.
  void Work(std::minstd_rand& random, int steps) {
    auto opened = Open();
    if (!opened) {
      ASSERT_TRUE(medium.dead()) << opened.error().message();
      return;
    }
    for (int i = 0; i < steps && !medium.dead(); ++i) Step(**opened, random);
  }

  void Step(OverlayDisk& disk, std::minstd_rand& random) {
    const uint64_t first = random() % kSectors;
    const uint64_t count = std::min<uint64_t>(kSectors - first, 1 + random() % 20);
    switch (random() % 8) {
      case 0:
      case 1:
        if (disk.Flush().has_value()) expected.Flushed();
        break;
      case 2:
        // Each sector stays or becomes zeros; which, is seen when it is done.
        expected.Add(first, count, 0);
        if (disk.DiscardSome(first * 512, count * 512).has_value()) Observe(disk, first, count);
        break;
      case 3:
        expected.Add(first, count, 0);
        static_cast<void>(
            disk.ZeroSome(first * 512, count * 512,
                          random() % 2 == 0 ? ZeroMode::kKeepAllocated : ZeroMode::kMayDeallocate));
        break;
      default:
        expected.Add(first, count, ++last_tag);
        static_cast<void>(WriteAll(disk, first * 512, TaggedSectors(last_tag, count)));
    }
  }

  void Observe(OverlayDisk& disk, uint64_t first, uint64_t count) {
    for (uint64_t i = first; i < first + count; ++i) {
      if (const std::optional<Tag> tag = ReadTag(disk, i)) expected.Add(i, 1, *tag);
    }
  }

  // After a crash: the overlay opens, and what it holds is allowed, and from now on expected.
  void Verify() {
    const auto disk = Open();
    ASSERT_TRUE(disk.has_value()) << disk.error().message();
    for (uint64_t i = 0; i < kSectors; ++i) {
      const std::optional<Tag> tag = ReadTag(**disk, i);
      ASSERT_TRUE(tag.has_value()) << "sector " << i << " is torn";
      ASSERT_TRUE(expected.Allows(i, *tag)) << "sector " << i << " holds " << *tag;
      expected.Set(i, *tag);
    }
  }

  ExpectedSectors expected{kSectors};
  Tag last_tag = 0;
};

constexpr Medium::Loss kLosses[] = {Medium::Loss::kNothing, Medium::Loss::kAllUnsynced,
                                    Medium::Loss::kSome, Medium::Loss::kSome};

TEST_F(OverlayCrashTest, LosesNothingFlushedAtWhateverOperationItEnds) {
  const ExpectedSectors fresh = expected;
  constexpr int kSteps = 40;
  bool finished = false;
  for (uint64_t end = 0; !finished; ++end) {
    for (const Medium::Loss loss : kLosses) {
      std::minstd_rand script(42);
      std::minstd_rand luck(static_cast<uint32_t>(end * 4 + 1));
      medium = Medium();
      expected = fresh;
      last_tag = 0;
      medium.DieAfter(end);
      Work(script, kSteps);
      finished = !medium.dead();
      medium.LosePower(loss, luck);
      ASSERT_NO_FATAL_FAILURE(Verify()) << "after operation " << end;
    }
  }
}

// Crash upon crash, each over what the one before left. EMBER_LONG_TESTS makes it 100 times as
// long.
TEST_F(OverlayCrashTest, LosesNothingFlushedThroughManyCrashes) {
  std::minstd_rand random(3);
  const int crashes = std::getenv("EMBER_LONG_TESTS") != nullptr ? 50'000 : 500;
  for (int i = 0; i < crashes; ++i) {
    medium.DieAfter(1 + random() % 80);
    ASSERT_NO_FATAL_FAILURE(Work(random, 1000));
    const Medium::Loss loss = kLosses[random() % 4];
    // A killed process's writes are there for the next one, but not yet durable.
    if (loss == Medium::Loss::kNothing) {
      medium.Revive();
    } else {
      medium.LosePower(loss, random);
    }
    ASSERT_NO_FATAL_FAILURE(Verify()) << "after crash " << i;
  }
}

}  // namespace
}  // namespace ember::virtio::testing
