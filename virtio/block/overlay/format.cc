#include "virtio/block/overlay/format.h"

#include <algorithm>
#include <bit>

#include "base/concat.h"
#include "base/crc32c.h"
#include "base/endian.h"

namespace ember::virtio {
namespace {

constexpr uint64_t kMagic = 0x4c564f5245424d45;  // "EMBEROVL" in the file

// Offsets in the header; what is between and after is zero.
constexpr size_t kMagicOffset = 0;
constexpr size_t kVersionOffset = 8;
constexpr size_t kChecksumOffset = 12;
constexpr size_t kFeaturesOffset = 16;
constexpr size_t kClusterBytesOffset = 24;
constexpr size_t kVirtualSizeOffset = 32;
constexpr size_t kBaseSizeOffset = 40;
constexpr size_t kBaseModifiedOffset = 48;
constexpr size_t kBaseFingerprintOffset = 56;

// Over the whole header, the checksum itself taken as zero.
uint32_t HeaderChecksum(OverlayHeaderBytes bytes) {
  StoreLe(uint32_t{0}, std::span(bytes).subspan(kChecksumOffset));
  return Crc32c(bytes);
}

uint32_t EntryChecksum(uint32_t cluster, uint32_t code) {
  std::array<std::byte, sizeof(cluster) + sizeof(code)> bytes;
  StoreLe(cluster, bytes);
  StoreLe(code, std::span(bytes).subspan(sizeof(cluster)));
  return Crc32c(bytes);
}

uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

OverlayHeaderBytes EncodeOverlayHeader(const OverlayHeader& header) {
  OverlayHeaderBytes bytes{};
  const auto at = [&](size_t offset) { return std::span(bytes).subspan(offset); };
  StoreLe(kMagic, at(kMagicOffset));
  StoreLe(kOverlayVersion, at(kVersionOffset));
  StoreLe(header.cluster_bytes, at(kClusterBytesOffset));
  StoreLe(header.virtual_size_bytes, at(kVirtualSizeOffset));
  StoreLe(header.base.size_bytes, at(kBaseSizeOffset));
  StoreLe(header.base.modified_ns, at(kBaseModifiedOffset));
  StoreLe(header.base.fingerprint, at(kBaseFingerprintOffset));
  StoreLe(HeaderChecksum(bytes), at(kChecksumOffset));
  return bytes;
}

Result<OverlayHeader> DecodeOverlayHeader(const OverlayHeaderBytes& bytes) {
  const auto at = [&](size_t offset) { return std::span<const std::byte>(bytes).subspan(offset); };
  if (LoadLe<uint64_t>(at(kMagicOffset)) != kMagic) {
    return Error("not an overlay: it does not begin with an overlay's magic number");
  }
  // Before the checksum, which another version may compute over other bytes.
  const auto version = LoadLe<uint32_t>(at(kVersionOffset));
  if (version > kOverlayVersion) {
    return Error(Concat("overlay format version ", version, " is newer than ", kOverlayVersion,
                        ", the newest that this program knows"));
  }
  if (version != kOverlayVersion) {
    return Error(Concat("overlay format version ", version, " is unknown"));
  }
  const auto checksum = LoadLe<uint32_t>(at(kChecksumOffset));
  if (checksum != HeaderChecksum(bytes)) {
    return Error(Concat("corrupt header: its checksum is ", Hex{HeaderChecksum(bytes)},
                        " but it says ", Hex{checksum}));
  }
  if (const auto features = LoadLe<uint64_t>(at(kFeaturesOffset)); features != 0) {
    return Error(Concat("overlay features ", Hex{features}, " are unknown"));
  }
  const OverlayHeader header{.cluster_bytes = LoadLe<uint32_t>(at(kClusterBytesOffset)),
                             .virtual_size_bytes = LoadLe<uint64_t>(at(kVirtualSizeOffset)),
                             .base = {.size_bytes = LoadLe<uint64_t>(at(kBaseSizeOffset)),
                                      .modified_ns = LoadLe<uint64_t>(at(kBaseModifiedOffset)),
                                      .fingerprint = LoadLe<uint32_t>(at(kBaseFingerprintOffset))}};
  if (!std::has_single_bit(header.cluster_bytes) || header.cluster_bytes < kMinClusterBytes ||
      header.cluster_bytes > kMaxClusterBytes) {
    return Error(Concat("corrupt header: cluster size ", header.cluster_bytes,
                        " is not a power of two from ", kMinClusterBytes, " to ",
                        kMaxClusterBytes));
  }
  if (header.virtual_size_bytes != header.base.size_bytes) {
    return Error(Concat("corrupt header: virtual size ", header.virtual_size_bytes,
                        " is not the base's, ", header.base.size_bytes));
  }
  return header;
}

Result<OverlayLayout> OverlayLayout::Create(uint32_t cluster_bytes, uint64_t virtual_size_bytes) {
  const uint64_t count =
      virtual_size_bytes / cluster_bytes + (virtual_size_bytes % cluster_bytes != 0 ? 1 : 0);
  if (count > kMaxClusters) {
    return Error(Concat("a disk of ", virtual_size_bytes, " bytes has ", count, " clusters of ",
                        cluster_bytes, " bytes, which exceeds the limit ", kMaxClusters));
  }
  return OverlayLayout(cluster_bytes, virtual_size_bytes, static_cast<uint32_t>(count));
}

OverlayLayout::OverlayLayout(uint32_t cluster_bytes, uint64_t virtual_size_bytes,
                             uint32_t cluster_count)
    : cluster_bytes_(cluster_bytes),
      virtual_size_bytes_(virtual_size_bytes),
      cluster_count_(cluster_count),
      data_offset_(RoundUp(EntryOffset(cluster_count), cluster_bytes)) {}

uint64_t EncodeMapEntry(uint32_t cluster, ClusterPlace place) {
  if (place.is_base()) return 0;
  return uint64_t{EntryChecksum(cluster, place.code())} << 32 | place.code();
}

std::optional<ClusterPlace> DecodeMapEntry(uint32_t cluster, uint64_t entry) {
  const ClusterPlace place = ClusterPlace::FromCode(static_cast<uint32_t>(entry));
  if (entry != EncodeMapEntry(cluster, place)) return std::nullopt;
  return place;
}

}  // namespace ember::virtio
