// Rings that outlive their engines.
#include "virtio/block/spare_rings.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "tests/virtio/block/file_bench.h"
#include "tests/virtio/block/pipe_disk.h"
#include "virtio/host_wait.h"

namespace ember::virtio::testing {
namespace {

constexpr size_t kBytes = 512;

class SpareRingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HostHas({"ring", true, HostCache::kUsed})) GTEST_SKIP() << "this host has no io_uring";
  }

  std::unique_ptr<IoEngine> MakeEngine(Disk& disk) { return *CreateUringEngine(disk, &rings_); }
  // Those that were made go on, or nothing does.
  std::unique_ptr<IoEngine> MakeNext(Disk& disk) {
    rings_.MakeNoMore();
    return MakeEngine(disk);
  }

  SpareRings rings_;
};

// A file of one letter, as a disk.
struct LetterDisk {
  explicit LetterDisk(char letter) {
    std::string text(4096, letter);
    const std::vector<iovec> piece{{.iov_base = text.data(), .iov_len = 4096}};
    EXPECT_EQ(disk->WriteSome(0, piece).value_or(0), 4096U);
  }
  const TemporaryFile file{4096};
  const std::unique_ptr<Disk> disk = *DiskFile::Open(file.path(), Access::kReadWrite);
};

// Reads the disk from its beginning under several tags at once.
struct Reads {
  static constexpr uint32_t kCount = 16;

  void Begin(IoEngine& engine) {
    for (uint32_t i = 0; i < kCount; ++i) {
      pieces[i] = {.iov_base = bytes[i].data(), .iov_len = kBytes};
      ASSERT_FALSE(engine.Start(
          IoTag{i}, {.kind = IoKind::kRead, .len_bytes = kBytes, .pieces = {&pieces[i], 1}}));
    }
    ASSERT_TRUE(engine.Submit());
  }
  // All of them, and nothing besides.
  void ExpectResults(IoEngine& engine, char letter) {
    engine.WaitForAll();
    size_t finished = 0;
    for (; const auto completion = engine.TakeFinished(); ++finished) {
      EXPECT_EQ(completion->result.value_or(0), kBytes);
    }
    EXPECT_EQ(finished, kCount);
    for (const std::string& each : bytes) EXPECT_EQ(each, std::string(kBytes, letter));
  }

  std::vector<std::string> bytes = std::vector<std::string>(kCount, std::string(kBytes, '?'));
  std::array<iovec, kCount> pieces{};
};

TEST_F(SpareRingsTest, ServeTheNextDisk) {
  for (const char letter : {'a', 'b', 'c'}) {
    const LetterDisk disk(letter);
    const std::unique_ptr<IoEngine> engine =
        letter == 'a' ? MakeEngine(*disk.disk) : MakeNext(*disk.disk);
    Reads reads;
    reads.Begin(*engine);
    reads.ExpectResults(*engine, letter);
  }
}

TEST_F(SpareRingsTest, AreNoMoreThanThereWere) {
  const LetterDisk disk('d');
  std::unique_ptr<IoEngine> engine = MakeEngine(*disk.disk);
  rings_.MakeNoMore();
  const auto another = CreateUringEngine(*disk.disk, &rings_);
  ASSERT_FALSE(another);
  EXPECT_NE(another.error().message().find("no more rings"), std::string::npos);
  engine.reset();
  EXPECT_TRUE(CreateUringEngine(*disk.disk, &rings_));
}

TEST_F(SpareRingsTest, StayWhereTheHostDoesNotTakeTheFile) {
  constexpr unsigned kEntries = 8;
  const LetterDisk disk('s');
  rings_.Give(*rings_.Take(kEntries, disk.file.fd()));
  rings_.MakeNoMore();
  EXPECT_FALSE(rings_.Take(kEntries, 1 << 20));
  EXPECT_TRUE(rings_.Take(kEntries, disk.file.fd()));
}

TEST_F(SpareRingsTest, BringNothingOfWhatWasInFlight) {
  DiskPipe old(DiskPipe::Disks::kReads);
  Reads lost;
  {
    const std::unique_ptr<Disk> disk = old.MakeDisk();
    lost.Begin(*MakeEngine(*disk));
  }
  const LetterDisk disk('n');
  const std::unique_ptr<IoEngine> engine = MakeNext(*disk.disk);
  old.AwaitDisksEnd();
  Reads reads;
  reads.Begin(*engine);
  reads.ExpectResults(*engine, 'n');
  for (const std::string& each : lost.bytes) EXPECT_EQ(each, std::string(kBytes, '?'));
}

TEST_F(SpareRingsTest, DoNotWaitForWhatTheOldEngineWaitedFor) {
  const LetterDisk disk('w');
  const Fd old_beside = *CreateEventFd();
  const Fd beside = *CreateEventFd();
  ASSERT_TRUE(MakeEngine(*disk.disk)->host_wait()->Prepare(old_beside.get()));
  const std::unique_ptr<IoEngine> engine = MakeNext(*disk.disk);
  HostWait& wait = *engine->host_wait();
  ASSERT_TRUE(wait.Prepare(beside.get()));
  ASSERT_EQ(::eventfd_write(old_beside.get(), 1), 0);
  EXPECT_FALSE(engine->TakeFinished());
  EXPECT_FALSE(wait.TakeReadable());
  ASSERT_EQ(::eventfd_write(beside.get(), 1), 0);
  bool readable = false;
  while (!readable) {
    if (wait.Prepare(beside.get())) wait.Wait();
    EXPECT_FALSE(engine->TakeFinished());
    readable = wait.TakeReadable();
  }
}

}  // namespace
}  // namespace ember::virtio::testing
