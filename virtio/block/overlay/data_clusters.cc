#include "virtio/block/overlay/data_clusters.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"

namespace ember::virtio {

bool DataClusters::Claim(uint32_t cluster) {
  if (cluster >= count_ || IsUsed(cluster)) return false;
  SetUsed(cluster);
  return true;
}

uint32_t DataClusters::Take() {
  size_t word = first_free_ / kBits;
  while (word < used_.size() && used_[word] == std::numeric_limits<uint64_t>::max()) ++word;
  EMBER_CHECK(word < used_.size());
  const auto cluster =
      static_cast<uint32_t>(word * kBits + static_cast<uint32_t>(std::countr_one(used_[word])));
  EMBER_CHECK(cluster < count_);
  SetUsed(cluster);
  first_free_ = cluster + 1;
  return cluster;
}

void DataClusters::GiveBack(uint32_t cluster) {
  used_[cluster / kBits] &= ~(uint64_t{1} << (cluster % kBits));
  first_free_ = std::min(first_free_, cluster);
}

void DataClusters::FreeRetired() {
  for (const uint32_t cluster : retired_) GiveBack(cluster);
  retired_.clear();
}

}  // namespace ember::virtio
