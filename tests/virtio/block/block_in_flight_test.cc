// Requests that io_uring has and does not finish: what becomes of them when the driver resets the
// device, a client gives it another disk, or the device ends.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/concat.h"
#include "base/thread.h"
#include "tests/base/open_descriptors.h"
#include "tests/virtio/block/file_bench.h"
#include "tests/virtio/block/pipe_disk.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kLen = 4096;
constexpr uint32_t kRequests = DiskPipe::kBytes / kLen;
constexpr std::byte kUntouched{0x3c};

// A device whose requests stay in flight, with a driver that has brought it up.
struct InFlightBench {
  explicit InFlightBench(DiskPipe::Disks disks)
      : type(disks == DiskPipe::Disks::kReads ? kBlockIn : kBlockOut),
        pipe(disks),
        device(MakeDevice()),
        rig(std::make_unique<Rig>(*device)),
        driver(*rig),
        data(rig->ram.Allocate(uint64_t{kRequests} * kLen, kLen)) {
    rig->Pump();
  }
  std::unique_ptr<BlockDevice> MakeDevice() {
    std::unique_ptr<Disk> disk = pipe.MakeDisk();
    std::unique_ptr<IoEngine> engine = *CreateUringEngine(*disk);
    return *BlockDevice::Create(std::move(disk), std::move(engine), {.drive_id = "pipe"});
  }

  // Gives the host as many requests as the pipe has room for, none of which it can finish. `by` is
  // the driver.
  std::vector<BlockDriver::Request> Begin(BlockDriver& by) {
    std::ranges::fill(bytes(), kUntouched);
    std::vector<BlockDriver::Request> requests;
    for (uint32_t i = 0; i < kRequests; ++i) {
      requests.push_back(by.Put(type, uint64_t{8} * i, data + uint64_t{kLen} * i, kLen));
    }
    by.Kick();
    rig->Pump();
    EXPECT_EQ(by.ring().used_index(), 0);
    return requests;
  }

  // Lets the host finish as much as was begun, and looks whether it does.
  void ExpectThatNothingIsInFlight() {
    if (type == kBlockIn) {
      pipe.Fill('l');
      EXPECT_EQ(pipe.held_bytes(), DiskPipe::kBytes) << "somebody has read";
    } else {
      EXPECT_EQ(pipe.Take(), std::string(DiskPipe::kBytes, 'f'));
      EXPECT_EQ(pipe.held_bytes(), 0U) << "somebody has written";
    }
    rig->Pump();
    EXPECT_EQ(std::ranges::count(bytes(), kUntouched), std::ssize(bytes()));
  }
  std::span<std::byte> bytes() { return rig->ram.Bytes(data, uint64_t{kRequests} * kLen); }

  const uint32_t type;
  DiskPipe pipe;
  std::unique_ptr<BlockDevice> device;
  std::unique_ptr<Rig> rig;
  BlockDriver driver;
  const GuestAddress data;
};

class BlockInFlightTest : public ::testing::TestWithParam<DiskPipe::Disks> {
 protected:
  void SetUp() override {
    if (!HostHas({"ring", true, HostCache::kUsed})) GTEST_SKIP() << "this host has no io_uring";
  }
};

TEST_P(BlockInFlightTest, IsTakenBackByAResetThatTheHostMustNotFinishAfterwards) {
  InFlightBench bench(GetParam());
  const auto requests = bench.Begin(bench.driver);
  bench.rig->driver.Write(reg::kStatus, 0);
  ASSERT_EQ(bench.rig->driver.status(), 0U);
  bench.ExpectThatNothingIsInFlight();
  EXPECT_EQ(bench.driver.ring().used_index(), 0);
  for (const BlockDriver::Request& request : requests) {
    EXPECT_EQ(bench.rig->ram.Bytes(request.status, 1)[0], std::byte{kBlockUntouched});
  }
}

// What was cancelled must not be taken for an answer to a request of the next driver's, under the
// same tags.
TEST_P(BlockInFlightTest, IsNotMixedUpWithWhatTheNextDriverAsks) {
  InFlightBench bench(GetParam());
  bench.Begin(bench.driver);
  bench.rig->driver.Write(reg::kStatus, 0);
  BlockDriver driver(*bench.rig);
  const auto requests = bench.Begin(driver);
  if (GetParam() == DiskPipe::Disks::kReads) {
    bench.pipe.Fill('n');
  } else {
    bench.pipe.Take();
  }
  for (uint32_t taken = 0; taken < kRequests; bench.rig->PumpOnce()) {
    while (driver.ring().TakeUsed()) ++taken;
  }
  for (const BlockDriver::Request& request : requests) {
    EXPECT_EQ(bench.rig->ram.Bytes(request.status, 1)[0], std::byte{kBlockOk});
  }
  const std::byte expected = GetParam() == DiskPipe::Disks::kReads ? std::byte{'n'} : kUntouched;
  EXPECT_EQ(std::ranges::count(bench.bytes(), expected), std::ssize(bench.bytes()));
  EXPECT_EQ(bench.device->metrics().execute_fails.value(), 0U);
}

TEST_P(BlockInFlightTest, IsTakenBackByTheDevicesEnd) {
  const size_t descriptors = OpenDescriptors();
  {
    InFlightBench bench(GetParam());
    bench.Begin(bench.driver);
    // The memory stays, as a machine's does for whoever else has it.
    bench.rig->transport.reset();
    bench.device.reset();
    bench.pipe.AwaitDisksEnd();
    EXPECT_EQ(std::ranges::count(bench.bytes(), kUntouched), std::ssize(bench.bytes()));
  }
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

// Until the thread waits in io_uring_enter(2).
void AwaitWaitInRing(pid_t thread) {
  const std::string path = Concat("/proc/self/task/", thread, "/syscall");
  long number = -1;
  while (number != SYS_io_uring_enter) {
    std::this_thread::yield();
    std::ifstream(path) >> number;
  }
}

TEST_P(BlockInFlightTest, IsFinishedOnTheOldDiskBeforeAnotherTakesItsPlace) {
  InFlightBench bench(GetParam());
  const TemporaryFile other(kFileBytes);
  bench.Begin(bench.driver);
  const pid_t waiting = ::gettid();
  Thread host = *Thread::Start("host", [&] {
    AwaitWaitInRing(waiting);
    GetParam() == DiskPipe::Disks::kReads ? bench.pipe.Fill('o') : void(bench.pipe.Take());
  });
  bench.rig->state().WithDevice([&] {
    ASSERT_TRUE(bench.device->ReplaceDisk(*DiskFile::Open(other.path(), Access::kReadWrite)));
  });
  host.Join();
  EXPECT_EQ(bench.driver.ring().used_index(), kRequests);
  if (GetParam() == DiskPipe::Disks::kReads) {
    EXPECT_EQ(std::ranges::count(bench.bytes(), std::byte{'o'}), std::ssize(bench.bytes()));
  } else {
    EXPECT_EQ(bench.pipe.Take(), std::string(DiskPipe::kBytes, static_cast<char>(kUntouched)));
  }
  // Nothing of the old disk stays open.
  bench.pipe.AwaitDisksEnd();
  EXPECT_EQ(other.Content(), std::string(kFileBytes, '\0'));
}

INSTANTIATE_TEST_SUITE_P(Directions, BlockInFlightTest,
                         ::testing::Values(DiskPipe::Disks::kReads, DiskPipe::Disks::kWrites),
                         [](const auto& test) {
                           return std::string(test.param == DiskPipe::Disks::kReads ? "Reads"
                                                                                    : "Writes");
                         });

}  // namespace
}  // namespace ember::virtio::testing
