// An overlay file that is the input, opened and worked on as its disk.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "tests/virtio/block/overlay/memory_image.h"
#include "virtio/block/overlay/overlay_disk.h"

namespace {

using namespace ember;                   // NOLINT(google-build-using-namespace)
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kDiskBytes = 20 * uint64_t{kMinClusterBytes} + 512;
constexpr size_t kMaxSteps = 64;
constexpr size_t kStepBytes = 4;

OverlayDisk::Options Options() {
  return {.base = {.size_bytes = kDiskBytes, .modified_ns = 1, .fingerprint = 1},
          .cluster_bytes = kMinClusterBytes};
}

// Makes what the input says look right, so that more than the checksums is reached: the header's,
// where bit 0 of `mode` is set, and the entries', where bit 1 is.
void MendChecksums(std::vector<std::byte>& file, uint8_t mode) {
  if (file.size() < kOverlayHeaderBytes) return;
  if ((mode & 1) != 0) {
    const OverlayHeader header{.cluster_bytes = kMinClusterBytes << (mode >> 6),
                               .virtual_size_bytes = kDiskBytes,
                               .base = Options().base};
    std::ranges::copy(EncodeOverlayHeader(header), file.begin());
  }
  if ((mode & 2) == 0) return;
  const std::span<std::byte> map = std::span(file).subspan(kOverlayHeaderBytes);
  for (uint32_t i = 0; i < 21 && (i + 1) * sizeof(uint64_t) <= map.size(); ++i) {
    const std::span<std::byte> entry = map.subspan(i * sizeof(uint64_t));
    const ClusterPlace place = ClusterPlace::FromCode(LoadLe<uint32_t>(entry));
    StoreLe(EncodeMapEntry(i, place), entry);
  }
}

void CheckReads(Disk& disk, uint64_t offset, std::span<const std::byte> expected) {
  std::vector<std::byte> bytes(expected.size());
  const iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  const Result<size_t> count = disk.ReadSome(offset, {&piece, 1});
  EMBER_CHECK(!count || std::ranges::equal(std::span(bytes).first(*count), expected.first(*count)));
}

// One thing a driver can ask for, by 4 bytes: what, first sector, sectors, value.
void Step(Disk& disk, std::span<const std::byte> step) {
  const auto at = [&](size_t i) { return std::to_integer<uint64_t>(step[i]); };
  const uint64_t offset = at(1) % (kDiskBytes / kSectorBytes) * kSectorBytes;
  const uint64_t len = std::min(kDiskBytes - offset, at(2) * kSectorBytes);
  switch (at(0) % 5) {
    case 0: {
      std::vector<std::byte> bytes(len, step[3]);
      const iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
      const Result<size_t> count = disk.WriteSome(offset, {&piece, 1});
      if (count) CheckReads(disk, offset, std::span(bytes).first(*count));
      return;
    }
    case 1:
      static_cast<void>(disk.DiscardSome(offset, len));
      return;
    case 2: {
      const auto mode = at(3) % 2 == 0 ? ZeroMode::kKeepAllocated : ZeroMode::kMayDeallocate;
      const Result<uint64_t> count = disk.ZeroSome(offset, len, mode);
      if (count) CheckReads(disk, offset, std::vector<std::byte>(*count));
      return;
    }
    case 3:
      static_cast<void>(disk.Flush());
      return;
    default: {
      std::vector<std::byte> bytes(len);
      const iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
      static_cast<void>(disk.ReadSome(offset, {&piece, 1}));
    }
  }
}

}  // namespace

// A byte of mode, the number of steps, the steps, and the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ConfigureLog({.level = LogLevel::kOff, .instance_id = {}});
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  if (input.size() < 2) return 0;
  const auto mode = std::to_integer<uint8_t>(input[0]);
  const size_t steps =
      std::min({std::to_integer<size_t>(input[1]), kMaxSteps, (input.size() - 2) / kStepBytes});
  const std::span<const std::byte> contents = input.subspan(2 + steps * kStepBytes);

  std::vector<std::byte> file(contents.begin(), contents.end());
  MendChecksums(file, mode);
  Medium base(std::vector<std::byte>(kDiskBytes, std::byte{0x42}));
  Medium medium(std::move(file));
  if ((mode & 4) != 0) medium.DieAfter(mode >> 3);
  // Opened twice: what the first left must open, unless it died.
  for (int round = 0; round < 2; ++round) {
    auto disk = OverlayDisk::Open(std::make_unique<MemoryImage>(medium),
                                  std::make_unique<MemoryImage>(base), Options());
    EMBER_CHECK(disk || round == 0 || (mode & 4) != 0);
    if (!disk) return 0;
    for (size_t i = 0; i < steps; ++i) Step(**disk, input.subspan(2 + i * kStepBytes, kStepBytes));
  }
  return 0;
}
