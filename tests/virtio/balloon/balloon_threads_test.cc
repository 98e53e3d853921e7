// A driver, a client and a device on threads of their own, for ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/thread.h"
#include "tests/virtio/balloon/balloon_bench.h"

namespace ember::virtio::testing {
namespace {

TEST(BalloonThreadsTest, ServesDriverAndClientsAtOnce) {
  BalloonBench bench;
  std::atomic<bool> stop{false};
  {
    const DeviceThread device(bench.rig.state());
    const Thread client = *Thread::Start("client", [&] {
      for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        bench.rig.state().WithDevice([&] {
          static_cast<void>(bench.device->SetTarget(i % 100));
          static_cast<void>(bench.device->SetStatisticsInterval(std::chrono::seconds(1 + i % 9)));
          static_cast<void>(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
          static_cast<void>(bench.device->statistics());
        });
      }
    });
    const Segment frames = bench.Frames({kFieldFrame, kFieldFrame + 1});
    for (int i = 0; i < 500; ++i) {
      bench.rings[0].Add({frames});
      bench.rings[0].Publish();
      bench.rig.driver.Notify(0);
      bench.rings[4].Add({Segment{kField, 64 * kPage, true}});
      bench.rings[4].Publish();
      bench.rig.driver.Notify(4);
      bench.rig.driver.Write(kActualOffset, static_cast<uint32_t>(i));
      bench.rig.driver.Read(kNumPagesOffset);
      for (const size_t queue : {0U, 4U}) {
        while (!bench.rings[queue].TakeUsed()) std::this_thread::yield();
      }
    }
    bench.rig.driver.Write(reg::kStatus, 0);
    stop.store(true, std::memory_order_relaxed);
  }
  EXPECT_EQ(bench.metrics().inflate_count.value(), 500U);
  EXPECT_FALSE(bench.needs_reset());
}

}  // namespace
}  // namespace ember::virtio::testing
