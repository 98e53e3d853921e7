// A driver, a client and a device on threads of their own, for ThreadSanitizer.
#include <gtest/gtest.h>

#include <thread>

#include "tests/virtio/pmem/pmem_bench.h"

namespace ember::virtio::testing {
namespace {

TEST(PmemThreadsTest, AnswersEveryRequestAcrossResets) {
  PmemBench bench;
  const DeviceThread device(bench.rig.state());
  const RingPlace place = bench.ring->place();
  for (int round = 0; round < 100; ++round) {
    bench.rig.driver.Write(reg::kStatus, 0);
    bench.ring = std::make_unique<DriverRing>(bench.rig.ram.memory(), place);
    bench.ring->StartAt(0);
    bench.rig.driver.Start(kVersion1Feature, place);
    bench.rig.state().WithDevice(
        [&] { bench.device->UpdateRateLimiter({.ops = TokenBucketOptions{}}); });
    for (int i = 0; i < 5; ++i) {
      bench.Put();
      bench.ring->Publish();
      bench.rig.driver.Notify(0);
      if (i % 2 == 0) continue;
      while (!bench.ring->TakeUsed()) std::this_thread::yield();
    }
  }
  EXPECT_FALSE(bench.needs_reset());
  bench.rig.driver.Write(reg::kStatus, 0);
}

}  // namespace
}  // namespace ember::virtio::testing
