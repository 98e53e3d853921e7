#ifndef EMBER_TESTS_VIRTIO_BLOCK_BLOCK_BENCH_H_
#define EMBER_TESTS_VIRTIO_BLOCK_BLOCK_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "tests/virtio/driver/block_driver.h"
#include "tests/virtio/driver/memory_disk.h"
#include "virtio/block/block_device.h"

namespace ember::virtio::testing {

inline constexpr uint64_t kSectors = 128;

// A block device over a MemoryDisk, with a driver that has brought it up.
struct Bench {
  struct Options {
    uint64_t size_bytes = kSectors * 512;
    Access access = Access::kReadWrite;
    CacheType cache_type = CacheType::kWriteback;
    uint64_t features = kBlockFlushFeature;
    bool track_dirty_pages = false;
    BlockDevice::Options device{.drive_id = "rootfs"};  // but the cache type
  };

  explicit Bench(const Options& options)
      : owned_disk(std::make_unique<MemoryDisk>(options.size_bytes, options.access)),
        disk(*owned_disk),
        owned_device(*BlockDevice::Create(std::move(owned_disk),
                                          WithCache(options.device, options.cache_type))),
        device(*owned_device),
        rig(device, options.track_dirty_pages),
        driver(rig, options.features) {}
  Bench() : Bench(Options{}) {}

  static BlockDevice::Options WithCache(BlockDevice::Options options, CacheType cache_type) {
    options.cache_type = cache_type;
    return options;
  }
  bool needs_reset() const { return (rig.driver.status() & kNeedsReset) != 0; }

  std::unique_ptr<MemoryDisk> owned_disk;
  MemoryDisk& disk;
  std::unique_ptr<BlockDevice> owned_device;
  BlockDevice& device;
  Rig rig;
  BlockDriver driver;
};

inline std::vector<std::byte> Pattern(size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_BLOCK_BENCH_H_
