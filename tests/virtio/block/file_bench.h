#ifndef EMBER_TESTS_VIRTIO_BLOCK_FILE_BENCH_H_
#define EMBER_TESTS_VIRTIO_BLOCK_FILE_BENCH_H_

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <utility>

#include "tests/virtio/block/block_bench.h"
#include "tests/virtio/block/temporary_file.h"
#include "virtio/block/disk_file.h"
#include "virtio/block/sync_engine.h"
#include "virtio/block/uring_engine.h"

namespace ember::virtio::testing {

inline constexpr uint64_t kFileBytes = uint64_t{1} << 20;
inline constexpr uint64_t kFileSectors = kFileBytes / 512;

// An engine over a file.
struct Kind {
  const char* name;
  bool ring;
  HostCache cache;
};

inline void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

inline Result<std::unique_ptr<IoEngine>> MakeEngine(const Kind& kind, Disk& disk) {
  if (kind.ring) return CreateUringEngine(disk);
  return std::unique_ptr<IoEngine>(std::make_unique<SyncEngine>(disk));
}

// A block device over a file, with a driver that has brought it up.
struct FileBench {
  FileBench(const Kind& kind, uint64_t features, uint64_t file_bytes = kFileBytes)
      : file(file_bytes), device(MakeDevice(kind)), rig(*device), driver(rig, features) {
    rig.Pump();
  }
  std::unique_ptr<BlockDevice> MakeDevice(const Kind& kind) const {
    std::unique_ptr<Disk> disk = *DiskFile::Open(file.path(), Access::kReadWrite, kind.cache);
    std::unique_ptr<IoEngine> engine = *MakeEngine(kind, *disk);
    return *BlockDevice::Create(std::move(disk), std::move(engine),
                                {.drive_id = "file",
                                 .cache_type = CacheType::kWriteback,
                                 .discard = DiscardSupport::kOffered});
  }

  // Until the request is answered, however long the host takes.
  BlockDriver::Answer Await(const BlockDriver::Request& request) {
    driver.Kick();
    std::optional<BlockDriver::Answer> answer;
    while (!(answer = driver.Take(request))) rig.PumpOnce();
    return *answer;
  }
  BlockDriver::Answer Do(uint32_t type, uint64_t sector, GuestAddress data, uint32_t len) {
    return Await(driver.Put(type, sector, data, len));
  }
  BlockDriver::Answer DoRange(uint32_t type, const BlockDriver::Range& range) {
    const GuestAddress at = rig.ram.Allocate(16);
    std::ranges::copy(std::as_bytes(std::span(&range, 1)), rig.ram.Bytes(at, 16).begin());
    return Do(type, 0, at, 16);
  }

  TemporaryFile file;
  std::unique_ptr<BlockDevice> device;
  Rig rig;
  BlockDriver driver;
};

// Twenty requests of 4 KiB, three reads to each write, that start again from nothing each time.
class Load {
 public:
  static constexpr uint32_t kRequests = 20;
  static constexpr uint32_t kBytes = 4096;

  explicit Load(Rig& rig)
      : rig_(rig),
        place_(DriverRing(rig.ram, 64).place()),
        headers_(rig.ram.Allocate(16 * kRequests)),
        statuses_(rig.ram.Allocate(kRequests)),
        data_(rig.ram.Allocate(uint64_t{kRequests} * kBytes, 4096)) {}

  std::span<std::byte> data() const { return rig_.ram.Bytes(data_, uint64_t{kRequests} * kBytes); }
  // Resets the device, brings it up and gives it all requests.
  DriverRing Begin() const {
    DriverRing ring(rig_.ram.memory(), place_);
    rig_.driver.Write(reg::kStatus, 0);
    ring.StartAt(0);
    rig_.driver.Start(kVersion1Feature | kBlockFlushFeature, place_);
    for (uint32_t i = 0; i < kRequests; ++i) {
      const std::array<uint64_t, 2> header{i % 4 == 3 ? kBlockOut : kBlockIn, uint64_t{8} * i};
      const GuestAddress at = headers_ + 16 * i;
      std::ranges::copy(std::as_bytes(std::span(header)), rig_.ram.Bytes(at, 16).begin());
      ring.Add({Segment{at, 16, false}, Segment{data_ + uint64_t{kBytes} * i, kBytes, i % 4 != 3},
                Segment{statuses_ + i, 1, true}});
    }
    if (ring.Publish()) rig_.driver.Notify(0);
    return ring;
  }

 private:
  Rig& rig_;
  const RingPlace place_;
  const GuestAddress headers_;
  const GuestAddress statuses_;
  const GuestAddress data_;
};

inline bool HostHas(const Kind& kind) {
  const TemporaryFile file(kFileBytes);
  const auto disk = DiskFile::Open(file.path(), Access::kReadWrite, kind.cache);
  return disk && MakeEngine(kind, **disk);
}

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_FILE_BENCH_H_
