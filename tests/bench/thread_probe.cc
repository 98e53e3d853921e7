// thread_probe FILE ROUNDS: random reads of 4 KiB from two disks at once, by two drivers, with both
// disks on one event loop or each on a loop and a thread of its own, as a machine has them; the
// disks' engine is the synchronous one. In turns of a second. Prints the reads a second of both:
//   {"direct": {"loop": [of each round…], "own": […]}, "cached": {…}}
// direct is past the host's page cache, where a read waits for the host's disk.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/thread.h"
#include "tests/bench/busy_driver.h"
#include "virtio/block/block_device.h"
#include "virtio/block/disk_file.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kHeaderBytes = 16;
constexpr size_t kSectorOffset = 8;
constexpr uint32_t kBlockBytes = 4096;
constexpr std::chrono::seconds kRound{1};

template <typename T>
T Must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "thread_probe: %s\n", result.error().message().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

// A disk and the driver that reads it.
class ReadDisk {
 public:
  ReadDisk(const std::string& path, HostCache cache, unsigned seed)
      : device_(Open(path, cache)),
        driver_(*device_, {.queue = QueueIndex{0},
                           .parts = {{kHeaderBytes, false}, {kBlockBytes, true}, {1, true}},
                           .fill = PickSector(path, seed)}) {}

  DeviceState& state() { return driver_.state(); }
  VirtioDevice& device() { return *device_; }
  BusyDriver& driver() { return driver_; }

 private:
  static std::unique_ptr<BlockDevice> Open(const std::string& path, HostCache cache) {
    return Must(BlockDevice::Create(Must(DiskFile::Open(path, Access::kReadOnly, cache)),
                                    {.drive_id = "probe"}));
  }
  static std::function<void(size_t, std::span<std::byte>)> PickSector(const std::string& path,
                                                                      unsigned seed) {
    const uint64_t blocks =
        Must(DiskFile::Open(path, Access::kReadOnly))->size_bytes() / kBlockBytes;
    return [blocks, random = std::minstd_rand(seed)](size_t, std::span<std::byte> header) mutable {
      const uint64_t sector = random() % blocks * (kBlockBytes / kSectorBytes);
      std::memcpy(header.data() + kSectorOffset, &sector, sizeof(sector));
    };
  }

  const std::unique_ptr<BlockDevice> device_;
  BusyDriver driver_;
};

// A loop on a thread of its own that does the work of some devices.
class LoopThread {
 public:
  explicit LoopThread(std::initializer_list<ReadDisk*> disks) : loop_(Must(EventLoop::Create())) {
    for (ReadDisk* const disk : disks) {
      DeviceState& state = disk->state();
      watches_.push_back(Must(loop_->WatchArrivals(
          state.notify_fd(QueueIndex{0}).get(), [&state] { state.ProcessQueue(QueueIndex{0}); })));
      watches_.push_back(Must(loop_->WatchReadable(disk->device().host_event_fd(),
                                                   [&state] { state.ProcessHostEvents(); })));
    }
    thread_ = Must(Thread::Start("loop", [this] { loop_->Run(); }));
  }
  ~LoopThread() {
    loop_->Stop();
    thread_.Join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

 private:
  const std::unique_ptr<EventLoop> loop_;
  std::vector<EventLoop::Watch> watches_;
  Thread thread_;  // last: runs loop_
};

// The reads a second of both drivers together.
double Read(ReadDisk& first, ReadDisk& second) {
  double of_second = 0;
  std::jthread beside([&] { of_second = second.driver().Measure(kRound); });
  const double of_first = first.driver().Measure(kRound);
  beside.join();
  return of_first + of_second;
}

void Print(const char* name, const std::vector<double>& values, const char* after) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.0f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

void Compare(const std::string& path, HostCache cache, int rounds) {
  ReadDisk first(path, cache, 1);
  ReadDisk second(path, cache, 2);
  std::vector<double> loop, own;
  for (int round = 0; round <= rounds; ++round) {
    double of_loop = 0;
    double of_own = 0;
    {
      const LoopThread one{&first, &second};
      of_loop = Read(first, second);
    }
    {
      const LoopThread one{&first};
      const LoopThread other{&second};
      of_own = Read(first, second);
    }
    if (round == 0) continue;  // warms up
    loop.push_back(of_loop);
    own.push_back(of_own);
  }
  std::printf("{");
  Print("loop", loop, ", ");
  Print("own", own, "}");
}

int Run(const std::string& path, int rounds) {
  std::printf("{\"direct\": ");
  Compare(path, HostCache::kBypassed, rounds);
  std::printf(", \"cached\": ");
  Compare(path, HostCache::kUsed, rounds);
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: thread_probe FILE ROUNDS\n");
    return 2;
  }
  return ember::virtio::testing::Run(argv[1], std::atoi(argv[2]));
}
