// Floods and threads (shared/virtio.md, CVE-2020-27174): what comes from guest or client in any
// amount leaves the process as large as it was.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#include "base/thread.h"
#include "tests/virtio/console/console_bench.h"

namespace ember::virtio::testing {
namespace {

// EMBER_LONG_TESTS makes it the whole gigabyte, either way.
uint64_t FloodBytes() {
  return std::getenv("EMBER_LONG_TESTS") != nullptr ? uint64_t{1} << 30 : uint64_t{64} << 20;
}
constexpr uint64_t kMaxGrowth = uint64_t{1} << 20;

// A ring whose buffers are all the same, offered again and again. It allocates
// nothing, for AddressSanitizer keeps what is freed.
class FloodRing {
 public:
  FloodRing(DriverRing& ring, const Segment& buffer) : ring_(ring) {
    for (uint16_t i = 0; i < ring.size(); ++i) {
      ring.SetDescriptor(i, {.addr = ToInteger(buffer.at),
                             .len = buffer.len,
                             .flags = buffer.device_writes ? kWrite : uint16_t{0}});
      ring.SetAvailableEntry(i, i);
    }
  }
  // Offers as many as were given back.
  void Refill() {
    ring_.SetAvailableIndex(static_cast<uint16_t>(ring_.used_index() + ring_.size()));
  }

 private:
  DriverRing& ring_;
};

// Takes what has come, without keeping it.
void Drain(const ConsoleSocket& socket) {
  static std::array<char, 65536> room;
  while (::recv(socket.fd(), room.data(), room.size(), MSG_DONTWAIT) > 0) {
  }
}

// Lets the device work without a pump's allocations.
void Work(ConsoleBench& bench, uint16_t queue) {
  for (int i = 0; i < 8; ++i) {
    bench.rig->state().ProcessQueue(QueueIndex{queue});
    bench.rig->state().ProcessHostEvents();
  }
}

TEST(ConsoleFloodTest, FromTheGuestDoesNotGrowTheProcess) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket reads_nothing = bench.Attach(0), reads = bench.Attach(0);
  FloodRing ring(bench.guest->transmit(0), {bench.rig->ram.Allocate(32768), 32768, false});
  const auto flood = [&](uint64_t bytes) {
    const uint64_t end = bench.device->metrics().output_bytes.value() + bytes;
    while (bench.device->metrics().output_bytes.value() < end) {
      ring.Refill();
      Work(bench, 1);
      Drain(reads);
    }
  };
  flood(uint64_t{8} << 20);  // so that all that is ever used was used
  const uint64_t before = ResidentBytes();
  flood(FloodBytes());
  EXPECT_LE(ResidentBytes(), before + kMaxGrowth);
}

TEST(ConsoleFloodTest, FromAClientDoesNotGrowTheProcess) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  FloodRing ring(bench.guest->receive(0), {bench.rig->ram.Allocate(4096), 4096, true});
  const std::string block(65536, 'i');
  const auto flood = [&](uint64_t bytes) {
    const uint64_t end = bench.device->metrics().input_bytes.value() + bytes;
    while (bench.device->metrics().input_bytes.value() < end) {
      client.SendSome(block);
      ring.Refill();
      Work(bench, 0);
    }
  };
  flood(uint64_t{8} << 20);
  const uint64_t before = ResidentBytes();
  flood(FloodBytes());
  EXPECT_LE(ResidentBytes(), before + kMaxGrowth);
}

TEST(ConsoleFloodTest, FromAClientThatTheGuestDoesNotReadDoesNotGrowTheProcess) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  const std::string block(65536, 'i');
  const uint64_t before = ResidentBytes();
  for (int i = 0; i < 2000; ++i) {
    client.SendSome(block);
    Work(bench, 0);
  }
  EXPECT_LE(ResidentBytes(), before + kMaxGrowth);
}

// The device on a thread of its own, a guest that resets it now and then, and clients that come and
// go meanwhile. For ThreadSanitizer above all.
TEST(ConsoleThreadTest, ResetsAndClientsInTheMiddleOfWork) {
  ConsoleBench bench;
  std::atomic<bool> stop{false};
  {
    DeviceThread device_thread(bench.rig->state());
    Thread clients = *Thread::Start("clients", [&] {
      while (!stop.load(std::memory_order_acquire)) {
        ConsoleSocket client(bench.PathOf(0));
        ConsoleSocket control(bench.PathOf(0) + ".ctl");
        control.SendSome("resize 80 24\nresize 81 25\n");
        client.SendSome("input");
        pollfd readable{.fd = client.fd(), .events = POLLIN, .revents = 0};
        ::poll(&readable, 1, 1);
        client.Read();
      }
    });
    const GuestAddress at = bench.rig->ram.Allocate(32768);
    for (int i = 0; i < 100; ++i) {
      bench.guest->StartAndOpen();
      FloodRing ring(bench.guest->transmit(0), {at, 32768, false});
      for (int j = 0; j < 3; ++j) {
        ring.Refill();
        bench.rig->driver.Notify(1);
        bench.rig->driver.Notify(0);
        bench.rig->driver.Write(reg::kConfig + 8, 'e');
      }
    }
    bench.rig->driver.Write(reg::kStatus, 0);
    stop.store(true, std::memory_order_release);
    clients.Join();
  }
  EXPECT_EQ(bench.rig->driver.status(), 0U);
}

}  // namespace
}  // namespace ember::virtio::testing
