#ifndef EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_TAGGED_SECTORS_H_
#define EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_TAGGED_SECTORS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "virtio/block/disk.h"

namespace ember::virtio::testing {

// A sector that is its tag over and over, so that one put together from two shows.
using Tag = uint64_t;

inline std::vector<std::byte> TaggedSectors(Tag tag, uint64_t count) {
  const std::vector<Tag> tags(count * kSectorBytes / sizeof(Tag), tag);
  std::vector<std::byte> bytes(count * kSectorBytes);
  std::memcpy(bytes.data(), tags.data(), bytes.size());
  return bytes;
}

// The tag of one sector; nothing where it is torn or cannot be read.
inline std::optional<Tag> ReadTag(Disk& disk, uint64_t sector) {
  std::vector<std::byte> bytes(kSectorBytes);
  const iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  const Result<size_t> count = disk.ReadSome(sector * kSectorBytes, {&piece, 1});
  if (!count || *count != bytes.size()) return std::nullopt;
  Tag tag;
  std::memcpy(&tag, bytes.data(), sizeof(tag));
  if (bytes != TaggedSectors(tag, 1)) return std::nullopt;
  return tag;
}

// What each sector may hold after a crash: its tag as of the last flush, and all since.
class ExpectedSectors {
 public:
  explicit ExpectedSectors(uint64_t count) : may_be_(count) {}

  uint64_t count() const { return may_be_.size(); }
  void Set(uint64_t sector, Tag tag) { may_be_[sector] = {tag}; }
  // What may be written from now on; the last one added is there once that is done.
  void Add(uint64_t first, uint64_t count, Tag tag) {
    for (uint64_t i = first; i < first + count; ++i) may_be_[i].push_back(tag);
  }
  void Flushed() {
    for (auto& tags : may_be_) tags = {tags.back()};
  }
  bool Allows(uint64_t sector, Tag tag) const {
    return std::ranges::find(may_be_[sector], tag) != may_be_[sector].end();
  }

 private:
  std::vector<std::vector<Tag>> may_be_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_TAGGED_SECTORS_H_
