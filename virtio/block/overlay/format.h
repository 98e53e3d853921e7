#ifndef EMBER_VIRTIO_BLOCK_OVERLAY_FORMAT_H_
#define EMBER_VIRTIO_BLOCK_OVERLAY_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"

// The bytes of an overlay file, version 1: docs/formats/overlay.md.
namespace ember::virtio {

inline constexpr uint32_t kOverlayVersion = 1;
inline constexpr size_t kOverlayHeaderBytes = 4096;
inline constexpr uint32_t kDefaultClusterBytes = uint32_t{64} << 10;
inline constexpr uint32_t kMinClusterBytes = uint32_t{4} << 10;
inline constexpr uint32_t kMaxClusterBytes = uint32_t{2} << 20;
inline constexpr uint64_t kMaxClusters = uint64_t{1} << 30;

// What tells a base from others, and from itself after a change. A plain value.
struct BaseIdentity {
  uint64_t size_bytes = 0;
  uint64_t modified_ns = 0;  // since 1970; 0 for a block device, whose node tells nothing
  uint32_t fingerprint = 0;  // CRC-32C of samples of the contents

  friend bool operator==(const BaseIdentity&, const BaseIdentity&) = default;
};

// A plain value; one that was decoded is valid.
struct OverlayHeader {
  uint32_t cluster_bytes = kDefaultClusterBytes;
  uint64_t virtual_size_bytes = 0;
  BaseIdentity base;

  friend bool operator==(const OverlayHeader&, const OverlayHeader&) = default;
};

using OverlayHeaderBytes = std::array<std::byte, kOverlayHeaderBytes>;
OverlayHeaderBytes EncodeOverlayHeader(const OverlayHeader& header);
// Errors say which of magic, version, checksum, features or values is wrong.
Result<OverlayHeader> DecodeOverlayHeader(const OverlayHeaderBytes& bytes);

// Where in the file things are. A plain value.
class OverlayLayout {
 public:
  // Errors where the disk has more clusters than the format can number.
  static Result<OverlayLayout> Create(uint32_t cluster_bytes, uint64_t virtual_size_bytes);

  uint32_t cluster_bytes() const { return cluster_bytes_; }
  uint64_t virtual_size_bytes() const { return virtual_size_bytes_; }
  uint32_t cluster_count() const { return cluster_count_; }
  // Of the map's entry for a cluster of the disk.
  uint64_t EntryOffset(uint32_t cluster) const {
    return kOverlayHeaderBytes + sizeof(uint64_t) * cluster;
  }
  // Of the first data cluster: where a file without any ends.
  uint64_t data_offset() const { return data_offset_; }
  uint64_t DataOffset(uint32_t data_cluster) const {
    return data_offset_ + uint64_t{cluster_bytes_} * data_cluster;
  }

 private:
  OverlayLayout(uint32_t cluster_bytes, uint64_t virtual_size_bytes, uint32_t cluster_count);

  uint32_t cluster_bytes_;
  uint64_t virtual_size_bytes_;
  uint32_t cluster_count_;
  uint64_t data_offset_;
};

// Where the bytes of one of the disk's clusters are: in the base, nowhere for they are zeros, or in
// a data cluster of the overlay.
class ClusterPlace {
 public:
  static constexpr ClusterPlace Base() { return ClusterPlace(kBase); }
  static constexpr ClusterPlace Zeros() { return ClusterPlace(kZeros); }
  static constexpr ClusterPlace Data(uint32_t data_cluster) {
    return ClusterPlace(kFirstData + data_cluster);
  }
  static constexpr ClusterPlace FromCode(uint32_t code) { return ClusterPlace(code); }

  constexpr bool is_base() const { return code_ == kBase; }
  constexpr bool is_zeros() const { return code_ == kZeros; }
  constexpr bool is_data() const { return code_ >= kFirstData; }
  // Only where is_data().
  constexpr uint32_t data_cluster() const { return code_ - kFirstData; }
  // As the map has it.
  constexpr uint32_t code() const { return code_; }

  friend constexpr bool operator==(ClusterPlace, ClusterPlace) = default;

 private:
  static constexpr uint32_t kBase = 0;
  static constexpr uint32_t kZeros = 1;
  static constexpr uint32_t kFirstData = 2;

  explicit constexpr ClusterPlace(uint32_t code) : code_(code) {}
  uint32_t code_;
};

// An entry of the map: the place's code below and a checksum of it and of the entry's index above,
// so that a changed or misplaced entry is seen; 0 for a cluster that is in the base.
uint64_t EncodeMapEntry(uint32_t cluster, ClusterPlace place);
// Nothing where the checksum is wrong.
std::optional<ClusterPlace> DecodeMapEntry(uint32_t cluster, uint64_t entry);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_OVERLAY_FORMAT_H_
