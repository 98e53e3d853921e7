#ifndef EMBER_VIRTIO_BLOCK_OVERLAY_DATA_CLUSTERS_H_
#define EMBER_VIRTIO_BLOCK_OVERLAY_DATA_CLUSTERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ember::virtio {

// Which data clusters of an overlay's file are in use. A cluster that the durable map may still
// name is not given to another owner: it is retired first, and free when the map that names it no
// more is durable. One thread at a time.
class DataClusters {
 public:
  // For numbers below `count`; the memory is a bit for each.
  explicit DataClusters(uint32_t count) : count_(count), used_((count + kBits - 1) / kBits) {}

  uint32_t count() const { return count_; }

  // Marks one as in use, as a map says. False where it is out of range or in use already.
  [[nodiscard]] bool Claim(uint32_t cluster);
  // One that is free, from now on in use. There must be one.
  uint32_t Take();
  // Free at once: for one that no map was ever told of.
  void GiveBack(uint32_t cluster);

  // Free when the map is durable.
  void Retire(uint32_t cluster) { retired_.push_back(cluster); }
  std::span<const uint32_t> retired() const { return retired_; }
  // The map is durable.
  void FreeRetired();

 private:
  static constexpr uint32_t kBits = 64;

  bool IsUsed(uint32_t cluster) const {
    return (used_[cluster / kBits] >> (cluster % kBits) & 1) != 0;
  }
  void SetUsed(uint32_t cluster) { used_[cluster / kBits] |= uint64_t{1} << (cluster % kBits); }

  const uint32_t count_;
  std::vector<uint64_t> used_;
  std::vector<uint32_t> retired_;
  uint32_t first_free_ = 0;  // none below is free
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_OVERLAY_DATA_CLUSTERS_H_
