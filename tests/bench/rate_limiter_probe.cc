// rate_limiter_probe SECONDS: how far limited devices are from their limits over SECONDS, each
// worked by a thread of its own and kept busy by a driver that always has more to ask. Prints
//   {"block_bandwidth": error, "block_ops": error, "net_send_bandwidth": error, …}
// each what was measured over what was asked for, less one. The bucket's first filling is spent
// before the measurement begins.
#include <sys/eventfd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "tests/bench/busy_driver.h"
#include "tests/virtio/driver/memory_disk.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/block/block_device.h"
#include "virtio/net/net_device.h"

namespace ember::virtio::testing {
namespace {

using Seconds = std::chrono::seconds;

constexpr uint64_t kRefillMs = 100;
constexpr Seconds kSettle{1};

constexpr uint64_t kBytesPerSecond = 8'000'000;
constexpr uint64_t kOpsPerSecond = 5'000;
constexpr uint32_t kBlockBytes = 4096;
constexpr uint32_t kFrameBytes = 1514;
constexpr uint32_t kFrameAndHeaderBytes = sizeof(NetHeader) + kFrameBytes;

// All zero, so of a disk to read its sector 0.
const Request kRead{QueueIndex{0}, {{16, false}, {kBlockBytes, true}, {1, true}}};
const Request kReceive{QueueIndex{0}, {{kFrameAndHeaderBytes, true}}};
const Request kSend{QueueIndex{1}, {{kFrameAndHeaderBytes, false}}};

// A network that takes every frame and always has another.
class EndlessNetwork final : public NetBackend {
 public:
  uint16_t queue_pairs() const override { return 1; }
  Features offloads() const override { return {}; }
  Status Start(Features /*negotiated*/) override { return {}; }
  Status UsePairs(uint16_t /*count*/) override { return {}; }
  int fd(QueuePair /*pair*/) const override { return fd_.get(); }
  bool link_up() const override { return true; }
  SendOutcome Send(QueuePair /*pair*/, NetHeader /*header*/, std::span<iovec> /*pieces*/) override {
    return SendOutcome::kSent;
  }
  Received Receive(QueuePair /*pair*/, NetHeader& header, std::span<iovec> /*pieces*/) override {
    header = {};
    return {.outcome = ReceiveOutcome::kFrame, .frame_bytes = kFrameBytes};
  }

 private:
  const Fd fd_{::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
};

std::unique_ptr<VirtioDevice> Disk(const RateLimiterOptions& limits) {
  constexpr uint64_t kDiskBytes = uint64_t{1} << 20;
  return *BlockDevice::Create(std::make_unique<MemoryDisk>(kDiskBytes),
                              {.drive_id = "limited", .rate_limiter = limits});
}
std::unique_ptr<VirtioDevice> Receiving(const RateLimiterOptions& limits) {
  return *NetDevice::Create(std::make_unique<EndlessNetwork>(),
                            {.interface_id = "limited", .receive_limits = limits});
}
std::unique_ptr<VirtioDevice> Sending(const RateLimiterOptions& limits) {
  return *NetDevice::Create(std::make_unique<EndlessNetwork>(),
                            {.interface_id = "limited", .transmit_limits = limits});
}

struct Case {
  const char* name;
  std::unique_ptr<VirtioDevice> (*make)(const RateLimiterOptions& limits);
  const Request* request;
  RateLimiterOptions limits;
  double requests_per_second;  // that should come through
  double error = 0;
};

std::vector<Case> Cases() {
  const auto bucket = [](uint64_t per_second) {
    return TokenBucketOptions{.size = per_second * kRefillMs / 1000, .refill_time_ms = kRefillMs};
  };
  const RateLimiterOptions bandwidth{.bandwidth = bucket(kBytesPerSecond), .ops = {}};
  const RateLimiterOptions ops{.bandwidth = {}, .ops = bucket(kOpsPerSecond)};
  constexpr double kBlocks = double{kBytesPerSecond} / kBlockBytes;
  constexpr double kFrames = double{kBytesPerSecond} / kFrameBytes;
  return {{"block_bandwidth", Disk, &kRead, bandwidth, kBlocks},
          {"block_ops", Disk, &kRead, ops, kOpsPerSecond},
          {"net_send_bandwidth", Sending, &kSend, bandwidth, kFrames},
          {"net_send_ops", Sending, &kSend, ops, kOpsPerSecond},
          {"net_receive_bandwidth", Receiving, &kReceive, bandwidth, kFrames},
          {"net_receive_ops", Receiving, &kReceive, ops, kOpsPerSecond}};
}

int Run(Seconds duration) {
  std::vector<Case> cases = Cases();
  {
    std::vector<std::jthread> threads;  // at once: they wait nearly all the time
    for (Case& each : cases) {
      threads.emplace_back([&each, duration] {
        const std::unique_ptr<VirtioDevice> device = each.make(each.limits);
        BusyDriver driver(*device, *each.request);
        const DeviceThread worker(driver.state());
        driver.Measure(kSettle);
        each.error = driver.Measure(duration) / each.requests_per_second - 1;
      });
    }
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    std::printf("%s\"%s\": %.7f", i == 0 ? "{" : ", ", cases[i].name, cases[i].error);
  }
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: rate_limiter_probe SECONDS\n");
    return 2;
  }
  return ember::virtio::testing::Run(std::chrono::seconds(std::atoi(argv[1])));
}
