#ifndef EMBER_TESTS_VIRTIO_DRIVER_BLOCK_DRIVER_H_
#define EMBER_TESTS_VIRTIO_DRIVER_BLOCK_DRIVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"

namespace ember::virtio::testing {

// Types and answers as the specification prints them (virtio 1.2, 5.2.6).
inline constexpr uint32_t kBlockIn = 0;
inline constexpr uint32_t kBlockOut = 1;
inline constexpr uint32_t kBlockFlush = 4;
inline constexpr uint32_t kBlockGetId = 8;
inline constexpr uint32_t kBlockDiscard = 11;
inline constexpr uint32_t kBlockWriteZeroes = 13;
inline constexpr uint8_t kBlockOk = 0;
inline constexpr uint8_t kBlockIoError = 1;
inline constexpr uint8_t kBlockUnsupported = 2;
inline constexpr uint8_t kBlockUntouched = 0xee;

inline constexpr uint64_t kBlockReadOnlyFeature = uint64_t{1} << 5;
inline constexpr uint64_t kBlockFlushFeature = uint64_t{1} << 9;
inline constexpr uint64_t kBlockMultiQueueFeature = uint64_t{1} << 12;
inline constexpr uint64_t kBlockDiscardFeature = uint64_t{1} << 13;
inline constexpr uint64_t kBlockWriteZeroesFeature = uint64_t{1} << 14;

// A block driver over a Rig: puts requests together in guest memory and reads the answers.
class BlockDriver {
 public:
  // One request, laid out and in flight.
  struct Request {
    uint16_t head = 0;
    GuestAddress data{};
    uint32_t data_len = 0;
    GuestAddress status{};
  };
  struct Answer {
    uint8_t status = kBlockUntouched;
    uint32_t used_len = 0;
  };

  // A range of a discard or write-zeroes request.
  struct Range {
    uint64_t sector = 0;
    uint32_t sectors = 0;
    uint32_t flags = 0;
  };
  static_assert(sizeof(Range) == 16);

  explicit BlockDriver(Rig& rig, uint64_t extra_features = 0, uint16_t queue_size = 64);

  // Puts a request of one data buffer into the ring; Kick() shows it.
  Request Put(uint32_t type, uint64_t sector, GuestAddress data, uint32_t data_len);
  // The same with header, data and status each split in buffers of the given lengths.
  Request PutSplit(uint32_t type, uint64_t sector, std::span<const uint32_t> readable_lens,
                   std::span<const uint32_t> writable_lens);
  void Kick();
  // The answer, where the request is the next that came back.
  std::optional<Answer> Take(const Request& request);

  // Put(), Kick(), Pump() and Take(). Without an answer, one that says untouched.
  Answer Do(uint32_t type, uint64_t sector, GuestAddress data, uint32_t data_len);
  Answer Write(uint64_t sector, std::span<const std::byte> bytes);
  // A discard or write-zeroes request.
  Answer DoRanges(uint32_t type, std::span<const Range> ranges);
  // Reads into fresh memory filled with 0xcc.
  std::vector<std::byte> Read(uint64_t sector, uint32_t len, Answer* answer = nullptr);

  DriverRing& ring() { return ring_; }

 private:
  GuestAddress PutHeader(uint32_t type, uint64_t sector);
  GuestAddress FreshStatus();
  GuestAddress Scratch(uint64_t len);

  Rig& rig_;
  DriverRing ring_;
  GuestAddress scratch_;
  uint64_t scratch_used_ = 0;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_BLOCK_DRIVER_H_
