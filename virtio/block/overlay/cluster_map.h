#ifndef EMBER_VIRTIO_BLOCK_OVERLAY_CLUSTER_MAP_H_
#define EMBER_VIRTIO_BLOCK_OVERLAY_CLUSTER_MAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mapping.h"
#include "base/result.h"
#include "virtio/block/image_file.h"
#include "virtio/block/overlay/data_clusters.h"
#include "virtio/block/overlay/format.h"

namespace ember::virtio {

// The map of an overlay in memory: 4 bytes a cluster, touched only where clusters are not in the
// base. What changes is kept back until WriteUncommitted() puts it into the file, so that its owner
// can make data durable before the map that names them. One thread at a time.
class ClusterMap {
 public:
  // Reads the map of a file that is at least OverlayLayout::data_offset() long, and claims the data
  // clusters it names. Errors say which entry is corrupt, or names what the file does not hold.
  static Result<ClusterMap> Load(ImageFile& file, const OverlayLayout& layout,
                                 DataClusters& data_clusters);

  ClusterPlace place(uint32_t cluster) const {
    return ClusterPlace::FromCode(entries()[cluster] & ~kUncommitted);
  }
  void Set(uint32_t cluster, ClusterPlace place);
  // How many clusters were Set() and not committed.
  size_t uncommitted_count() const { return uncommitted_.size(); }

  // Writes their entries. They stay uncommitted.
  Status WriteUncommitted(ImageFile& file, const OverlayLayout& layout);
  // The file holds them durably.
  void MarkCommitted();

 private:
  // Set in an entry that the file may not hold.
  static constexpr uint32_t kUncommitted = uint32_t{1} << 31;

  explicit ClusterMap(Mapping memory) : memory_(std::move(memory)) {}
  Status LoadEntries(ImageFile& file, const OverlayLayout& layout, DataClusters& data_clusters);
  uint32_t* entries() const;

  Mapping memory_;  // anonymous: a page that was never touched takes no memory
  std::vector<uint32_t> uncommitted_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_OVERLAY_CLUSTER_MAP_H_
