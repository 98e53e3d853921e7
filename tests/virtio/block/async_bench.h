#ifndef EMBER_TESTS_VIRTIO_BLOCK_ASYNC_BENCH_H_
#define EMBER_TESTS_VIRTIO_BLOCK_ASYNC_BENCH_H_

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/virtio/block/block_bench.h"
#include "tests/virtio/block/scripted_engine.h"

namespace ember::virtio::testing {

inline constexpr uint32_t kAsyncLen = 4096;

// A block device whose engine does what the test tells it, with a driver that has brought it up.
struct AsyncBench {
  explicit AsyncBench(uint64_t features = kBlockFlushFeature, size_t depth = 32,
                      const Clock& clock = MonotonicClock())
      : owned_disk(std::make_unique<MemoryDisk>(kSectors * 512)),
        disk(*owned_disk),
        owned_engine(std::make_unique<ScriptedEngine>(*owned_disk, depth)),
        engine(*owned_engine),
        device(*BlockDevice::Create(
            std::move(owned_disk), std::move(owned_engine),
            {.drive_id = "async", .cache_type = CacheType::kWriteback, .clock = clock})),
        rig(*device),
        driver(rig, features) {
    rig.Pump();
    disk.bytes = Pattern(kSectors * 512, 21);
  }

  BlockDriver::Request Put(uint32_t type, uint64_t sector, uint32_t len = kAsyncLen) {
    const GuestAddress data = rig.ram.Allocate(len);
    std::ranges::fill(rig.ram.Bytes(data, len), std::byte{0x77});
    return driver.Put(type, sector, data, len);
  }
  std::vector<BlockDriver::Request> PutReads(size_t count) {
    std::vector<BlockDriver::Request> requests;
    for (size_t i = 0; i < count; ++i) requests.push_back(Put(kBlockIn, 8 * i));
    return requests;
  }
  void KickAndPump() {
    driver.Kick();
    rig.Pump();
  }
  uint8_t StatusOf(const BlockDriver::Request& request) {
    return std::to_integer<uint8_t>(rig.ram.Bytes(request.status, 1)[0]);
  }
  bool Holds(const BlockDriver::Request& request, uint64_t sector) {
    return std::memcmp(rig.ram.Bytes(request.data, request.data_len).data(),
                       disk.bytes.data() + sector * 512, request.data_len) == 0;
  }
  int used() { return driver.ring().used_index(); }

  std::unique_ptr<MemoryDisk> owned_disk;
  MemoryDisk& disk;
  std::unique_ptr<ScriptedEngine> owned_engine;
  ScriptedEngine& engine;
  std::unique_ptr<BlockDevice> device;
  Rig rig;
  BlockDriver driver;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_ASYNC_BENCH_H_
