// A driver, a client, another device's accesses and the device on threads of their own, for
// ThreadSanitizer.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "base/thread.h"
#include "tests/virtio/mem/mem_bench.h"

namespace ember::virtio::testing {
namespace {

TEST(MemThreadsTest, ServesDriverAndClientsAndAccessesAtOnce) {
  MemBench bench;
  std::atomic<bool> stop{false};
  const auto stopped = [&] { return stop.load(std::memory_order_relaxed); };
  {
    const DeviceThread device(bench.rig.state());
    const Thread client = *Thread::Start("client", [&] {
      for (uint64_t i = 0; !stopped(); ++i) {
        static_cast<void>(bench.Request(kMemBytes - i % 2 * kMemBlock));
        bench.rig.state().WithDevice([&] { return bench.device->plugged_bytes(); });
      }
    });
    const Thread other = *Thread::Start("other", [&] {
      std::array<std::byte, 64> bytes{};
      const GuestMemory& memory = bench.rig.ram.memory();
      for (uint64_t i = 0; !stopped(); ++i) {
        static_cast<void>(memory.ReadBytes(GuestAddress{BlockAt(i % 32) - 32}, bytes));
      }
    });
    for (uint64_t i = 0; i < 300; ++i) {
      bench.Send(i % 2 == 0 ? kPlug : kUnplug, BlockAt(i / 2 % 8), 3);
      std::optional<UsedEntry> used;
      while (!(used = bench.ring->TakeUsed())) std::this_thread::yield();
      EXPECT_EQ(*bench.rig.ram.memory().Read<uint16_t>(bench.response), kAck);
    }
    bench.rig.driver.Write(reg::kStatus, 0);
    stop.store(true, std::memory_order_relaxed);
  }
  EXPECT_EQ(bench.metrics().plug_count.value(), 150U);
  EXPECT_EQ(bench.metrics().unplug_fails.value(), 0U);
}

}  // namespace
}  // namespace ember::virtio::testing
