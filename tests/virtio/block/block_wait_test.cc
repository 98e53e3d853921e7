// Waiting for the host inside io_uring, beside a descriptor.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/thread.h"
#include "tests/virtio/block/file_bench.h"
#include "virtio/host_wait.h"

namespace ember::virtio::testing {
namespace {

// A disk with its engine, and an eventfd beside it.
struct WaitBench {
  const TemporaryFile file{kFileBytes};
  const std::unique_ptr<Disk> disk = *DiskFile::Open(file.path(), Access::kReadWrite);
  const std::unique_ptr<IoEngine> engine = *CreateUringEngine(*disk);
  HostWait& wait = *engine->host_wait();
  const Fd beside = *CreateEventFd();

  void Signal() const {
    const uint64_t one = 1;
    ASSERT_EQ(::write(beside.get(), &one, sizeof(one)), 8);
  }
  void Calm() const {
    uint64_t count = 0;
    ASSERT_EQ(::read(beside.get(), &count, sizeof(count)), 8);
  }
};

class HostWaitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HostHas({"ring", true, HostCache::kUsed})) GTEST_SKIP() << "this host has no io_uring";
  }
};

TEST_F(HostWaitTest, EndsWithACompletion) {
  const WaitBench bench;
  ASSERT_FALSE(bench.engine->Start(IoTag{5}, {.kind = IoKind::kFlush}));
  ASSERT_TRUE(bench.engine->Submit());
  std::optional<IoCompletion> completion;
  while (!completion) {
    if (bench.wait.Prepare(bench.beside.get())) bench.wait.Wait();
    completion = bench.engine->TakeFinished();
    EXPECT_FALSE(bench.wait.TakeReadable());
  }
  EXPECT_EQ(completion->tag, IoTag{5});
}

TEST_F(HostWaitTest, EndsWhenTheDescriptorBesideIsReadableAndSaysSoOnce) {
  const WaitBench bench;
  for (int round = 0; round < 3; ++round) {
    const Thread signaller = *Thread::Start("signaller", [&] { bench.Signal(); });
    bool readable = false;
    while (!readable) {
      if (bench.wait.Prepare(bench.beside.get())) bench.wait.Wait();
      EXPECT_FALSE(bench.engine->TakeFinished());
      readable = bench.wait.TakeReadable();
    }
    EXPECT_FALSE(bench.wait.TakeReadable());
    bench.Calm();
  }
}

TEST_F(HostWaitTest, DescriptorThatStaysReadableEndsEachWait) {
  const WaitBench bench;
  bench.Signal();
  for (int round = 0; round < 3; ++round) {
    bool readable = false;
    while (!readable) {
      if (bench.wait.Prepare(bench.beside.get())) bench.wait.Wait();
      while (bench.engine->TakeFinished()) {
      }
      readable = bench.wait.TakeReadable();
    }
  }
}

// A vCPU thread that resets the device takes what is in the ring, with what would have ended the
// wait of the device's thread.
TEST_F(HostWaitTest, EndsThoughAnotherThreadTookWhatWouldHaveEndedIt) {
  const WaitBench bench;
  for (const bool stop : {true, false}) {
    bool readable = false;
    std::atomic<bool> prepared = false;
    std::atomic<bool> taken = false;
    Thread device = *Thread::Start("device", [&] {
      ASSERT_TRUE(bench.wait.Prepare(bench.beside.get()));
      prepared = true;
      // The host completes the poll on this thread whenever it enters the host.
      while (!taken) std::this_thread::yield();
      bench.wait.Wait();
      while (bench.engine->TakeFinished()) {
      }
      readable = bench.wait.TakeReadable();
    });
    while (!prepared) std::this_thread::yield();
    bench.Signal();
    // Until the completion is there to be taken.
    pollfd ring{.fd = bench.engine->finished_fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&ring, 1, -1), 1);
    if (stop) bench.engine->Stop();
    while (bench.engine->TakeFinished()) {
    }
    taken = true;
    device.Join();
    EXPECT_TRUE(readable);
    bench.Calm();
  }
}

TEST_F(HostWaitTest, DeviceServesItsDriverThroughItAlone) {
  FileBench bench({"ring", true, HostCache::kUsed}, kBlockFlushFeature);
  HostWait* const wait = bench.device->TakeHostWait();
  ASSERT_NE(wait, nullptr);
  // What is waited for in the ring is not in the set as well.
  pollfd set{.fd = bench.device->host_event_fd(), .events = POLLIN, .revents = 0};
  const Fd beside = *CreateEventFd();
  for (int i = 0; i < 50; ++i) {
    const GuestAddress data = bench.rig.ram.Allocate(4096);
    const BlockDriver::Request request = bench.driver.Put(kBlockIn, 0, data, 4096);
    bench.driver.Kick();
    bench.rig.state().ProcessQueue(QueueIndex{0});
    std::optional<BlockDriver::Answer> answer;
    while (!(answer = bench.driver.Take(request))) {
      EXPECT_FALSE(bench.rig.state().WaitForHost(*wait, beside.get()));
    }
    EXPECT_EQ(answer->status, kBlockOk);
    EXPECT_EQ(::poll(&set, 1, 0), 0);
  }
}

// Resets come from a vCPU's thread while the device's thread waits in the ring.
TEST_F(HostWaitTest, SurvivesResetsFromAnotherThreadAtAnyTime) {
  FileBench bench({"ring", true, HostCache::kUsed}, kBlockFlushFeature);
  HostWait* const wait = bench.device->TakeHostWait();
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  DeviceState& state = bench.rig.state();
  const EventLoop::Watch doorbell = *loop->WatchArrivals(
      state.notify_fd(QueueIndex{0}).get(), [&] { state.ProcessQueue(QueueIndex{0}); });
  Thread device = *Thread::Start("device", [&] {
    loop->Run([&](int fd) {
      return state.WaitForHost(*wait, fd) ? EventLoop::Woken::kByDescriptor
                                          : EventLoop::Woken::kByItsOwn;
    });
  });
  const Load load(bench.rig);
  for (int round = 0; round < 200; ++round) {
    DriverRing ring = load.Begin();
    if (round % 4 == 0) continue;  // the next reset comes at once
    for (uint32_t answered = 0; answered < (round % 3 == 0 ? Load::kRequests : 3u);) {
      ring.TakeUsed() ? static_cast<void>(++answered) : std::this_thread::yield();
    }
  }
  loop->Stop();
  device.Join();
}

}  // namespace
}  // namespace ember::virtio::testing
