#include "virtio/chain_walker.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace ember::virtio {
namespace {

constexpr uint64_t kMaxChainBytes = uint64_t{1} << 32;  // virtio 1.2, 2.7.4.2

constexpr bool Has(const Descriptor& descriptor, unsigned flag) {
  return (descriptor.flags & flag) != 0;
}

}  // namespace

Descriptor ChainWalker::Table::Copy(uint16_t index) const {
  Descriptor descriptor;
  std::memcpy(&descriptor, entries + sizeof(Descriptor) * index, sizeof(descriptor));
  return descriptor;
}

std::optional<Breach> ChainWalker::Walk(const std::byte* table_bytes, uint16_t head) {
  storage_.readable_count_ = 0;
  storage_.writable_count_ = 0;
  storage_.range_count_ = 0;
  storage_.readable_bytes_ = 0;
  storage_.writable_bytes_ = 0;

  Table table{table_bytes, options_.max_descriptors};
  uint16_t index = head;
  uint32_t descriptors = 0;
  for (;;) {
    const Descriptor descriptor = table.Copy(index);
    if (Has(descriptor, kDescriptorIndirect)) {
      if (const auto breach = EnterIndirect(descriptor, table)) return breach;
      index = 0;
      continue;
    }
    if (++descriptors > options_.max_descriptors) return Breach::kChainTooLong;
    if (const auto breach = Add(descriptor)) return breach;
    if (!Has(descriptor, kDescriptorNext)) return std::nullopt;
    index = descriptor.next;
    if (index >= table.count) return Breach::kNextOutOfRange;
  }
}

// At most once a chain, since a table inside a table is a breach. The WRITE flag means nothing here
// (2.7.5.3.2).
std::optional<Breach> ChainWalker::EnterIndirect(const Descriptor& descriptor, Table& table) {
  if (!options_.indirect) return Breach::kIndirectNotNegotiated;
  if (in_indirect_) return Breach::kIndirectNested;
  if (Has(descriptor, kDescriptorNext)) return Breach::kIndirectWithNext;
  if (descriptor.len == 0 || descriptor.len % sizeof(Descriptor) != 0) {
    return Breach::kIndirectTableBadLength;
  }
  const Result<std::span<std::byte>> bytes =
      memory_.HostSpan(GuestAddress{descriptor.addr}, descriptor.len);
  if (!bytes) return Breach::kIndirectTableNotInRam;
  table = {bytes->data(), descriptor.len / sizeof(Descriptor)};
  in_indirect_ = true;
  return std::nullopt;
}

std::optional<Breach> ChainWalker::Add(const Descriptor& descriptor) {
  const bool writable = Has(descriptor, kDescriptorWrite);
  if (!writable && has_writable_) return Breach::kReadableAfterWritable;
  has_writable_ = writable;
  if (descriptor.len == 0) return std::nullopt;

  (writable ? storage_.writable_bytes_ : storage_.readable_bytes_) += descriptor.len;
  if (storage_.readable_bytes_ + storage_.writable_bytes_ > kMaxChainBytes) {
    return Breach::kChainTooLarge;
  }
  const GuestAddress at{descriptor.addr};
  if (writable && options_.track_dirty) {
    storage_.written_ranges_[storage_.range_count_++] = {at, descriptor.len};
  }
  return AddPieces(at, descriptor.len, writable);
}

std::optional<Breach> ChainWalker::AddPieces(GuestAddress at, uint64_t len, bool writable) {
  while (len > 0) {
    const std::span<std::byte> piece = memory_.HostPrefix(at, len);
    if (piece.empty()) return Breach::kBufferNotInRam;
    const size_t count = storage_.readable_count_ + storage_.writable_count_;
    if (count == storage_.capacity_) return Breach::kTooManyBuffers;
    storage_.pieces_[count] = {.iov_base = piece.data(), .iov_len = piece.size()};
    ++(writable ? storage_.writable_count_ : storage_.readable_count_);
    len -= piece.size();
    at = at + piece.size();
  }
  return std::nullopt;
}

}  // namespace ember::virtio
