#include "virtio/block/overlay/cluster_map.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/concat.h"
#include "base/endian.h"

namespace ember::virtio {
namespace {

// How much of the map is read or written at once.
constexpr size_t kChunkEntries = 4096;
constexpr size_t kEntryBytes = sizeof(uint64_t);
using Chunk = std::array<std::byte, kChunkEntries * kEntryBytes>;

// An entry's place, its data cluster claimed; errors say what is wrong with it. The file holds
// `present` data clusters.
Result<ClusterPlace> CheckEntry(uint32_t cluster, uint64_t entry, uint64_t present,
                                DataClusters& data_clusters) {
  const std::optional<ClusterPlace> place = DecodeMapEntry(cluster, entry);
  if (!place) {
    return Error(
        Concat("corrupt map: the checksum of entry ", cluster, ", ", Hex{entry}, ", is wrong"));
  }
  if (!place->is_data()) return *place;
  if (place->data_cluster() >= present) {
    return Error(Concat("truncated: map entry ", cluster, " names data cluster ",
                        place->data_cluster(), " but the file holds ", present));
  }
  if (!data_clusters.Claim(place->data_cluster())) {
    return Error(Concat("corrupt map: entry ", cluster, " names data cluster ",
                        place->data_cluster(), ", which cannot be its own"));
  }
  return *place;
}

}  // namespace

Result<ClusterMap> ClusterMap::Load(ImageFile& file, const OverlayLayout& layout,
                                    DataClusters& data_clusters) {
  const size_t size_bytes = std::max<size_t>(1, layout.cluster_count()) * sizeof(uint32_t);
  ClusterMap map(TRY_CONTEXT(Mapping::Anonymous(size_bytes), "memory for the map"));
  TRY(map.LoadEntries(file, layout, data_clusters));
  return map;
}

Status ClusterMap::LoadEntries(ImageFile& file, const OverlayLayout& layout,
                               DataClusters& data_clusters) {
  const uint64_t present = (TRY(file.Size()) - layout.data_offset()) / layout.cluster_bytes();
  const auto chunk = std::make_unique<Chunk>();
  for (uint32_t first = 0; first < layout.cluster_count();) {
    const size_t count = std::min<size_t>(kChunkEntries, layout.cluster_count() - first);
    const std::span<std::byte> bytes = std::span(*chunk).first(count * kEntryBytes);
    TRY_CONTEXT(ReadExactly(file, layout.EntryOffset(first), bytes), "map");
    for (size_t i = 0; i < count; ++i) {
      const auto entry = LoadLe<uint64_t>(bytes.subspan(i * kEntryBytes));
      if (entry == 0) continue;
      const uint32_t cluster = first + static_cast<uint32_t>(i);
      entries()[cluster] = TRY(CheckEntry(cluster, entry, present, data_clusters)).code();
    }
    first += static_cast<uint32_t>(count);
  }
  return {};
}

// The mapping begins at a page, and anonymous memory holds objects of any such type.
uint32_t* ClusterMap::entries() const {
  return static_cast<uint32_t*>(static_cast<void*>(memory_.data()));
}

void ClusterMap::Set(uint32_t cluster, ClusterPlace place) {
  if ((entries()[cluster] & kUncommitted) == 0) uncommitted_.push_back(cluster);
  entries()[cluster] = place.code() | kUncommitted;
}

Status ClusterMap::WriteUncommitted(ImageFile& file, const OverlayLayout& layout) {
  std::ranges::sort(uncommitted_);
  const auto chunk = std::make_unique<Chunk>();
  for (size_t next = 0; next < uncommitted_.size();) {
    const uint32_t first = uncommitted_[next];
    size_t count = 0;
    // Entries beside each other go together.
    while (next < uncommitted_.size() && count < kChunkEntries &&
           uncommitted_[next] == first + count) {
      StoreLe(EncodeMapEntry(uncommitted_[next], place(uncommitted_[next])),
              std::span(*chunk).subspan(count * kEntryBytes));
      ++count;
      ++next;
    }
    TRY_CONTEXT(
        WriteExactly(file, layout.EntryOffset(first), std::span(*chunk).first(count * kEntryBytes)),
        "map");
  }
  return {};
}

void ClusterMap::MarkCommitted() {
  for (const uint32_t cluster : uncommitted_) entries()[cluster] &= ~kUncommitted;
  uncommitted_.clear();
}

}  // namespace ember::virtio
