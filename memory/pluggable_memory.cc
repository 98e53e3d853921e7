#include "memory/pluggable_memory.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "base/concat.h"

namespace ember {
namespace {

constexpr uint64_t kBitsPerWord = 64;
constexpr auto kRelaxed = std::memory_order_relaxed;

// Bits [first, last] of a word.
constexpr uint64_t Mask(uint64_t first, uint64_t last) {
  return (~uint64_t{0} << first) & (~uint64_t{0} >> (kBitsPerWord - 1 - last));
}

}  // namespace

Result<std::unique_ptr<PluggableMemory>> PluggableMemory::Create(const Options& options,
                                                                 MemoryBacking backing) {
  const auto& [range, block_bytes] = options;
  if (!std::has_single_bit(block_bytes)) {
    return Error(Concat("a block of ", block_bytes, " bytes is not a power of two"));
  }
  if (range.size_bytes == 0 || range.size_bytes % block_bytes != 0 ||
      ToInteger(range.start) % block_bytes != 0) {
    return Error(Concat("pluggable memory at ", range.start, " of ", range.size_bytes,
                        " bytes is not made of whole blocks of ", block_bytes));
  }
  MemoryHost host = TRY_CONTEXT(AllocateSparseMemory(range, backing), "pluggable memory");
  return std::unique_ptr<PluggableMemory>(new PluggableMemory(options, backing, std::move(host)));
}

PluggableMemory::PluggableMemory(const Options& options, MemoryBacking backing, MemoryHost host)
    : options_(options),
      backing_(backing),
      mapping_(std::move(host.mappings.front())),
      memfd_(std::move(host.memfd)),
      plugged_(std::make_unique<std::atomic<uint64_t>[]>((block_count() + kBitsPerWord - 1) /
                                                         kBitsPerWord)) {}

template <typename Task>
void PluggableMemory::ForEachWord(Blocks blocks, Task&& task) const {
  EMBER_CHECK(blocks.first <= block_count() && blocks.count <= block_count() - blocks.first);
  uint64_t block = blocks.first;
  while (block < blocks.end()) {
    const uint64_t word = block / kBitsPerWord;
    const uint64_t last = std::min(blocks.end(), (word + 1) * kBitsPerWord) - 1;
    task(plugged_[word], Mask(block % kBitsPerWord, last % kBitsPerWord));
    block = last + 1;
  }
}

uint64_t PluggableMemory::CountPlugged(Blocks blocks) const {
  uint64_t count = 0;
  ForEachWord(blocks, [&count](const std::atomic<uint64_t>& word, uint64_t mask) {
    count += static_cast<uint64_t>(std::popcount(word.load(kRelaxed) & mask));
  });
  return count;
}

void PluggableMemory::SetPlugged(Blocks blocks) {
  ForEachWord(blocks,
              [](std::atomic<uint64_t>& word, uint64_t mask) { word.fetch_or(mask, kRelaxed); });
}

void PluggableMemory::SetUnplugged(Blocks blocks) {
  ForEachWord(blocks,
              [](std::atomic<uint64_t>& word, uint64_t mask) { word.fetch_and(~mask, kRelaxed); });
}

std::span<std::byte> PluggableMemory::Prefix(GuestAddress at, uint64_t len) const {
  if (!range().Contains(at)) return {};
  const uint64_t offset = ToInteger(at) - ToInteger(range().start);
  const uint64_t wanted_end = offset + std::min(len, range().size_bytes - offset);
  // Word by word, up to the first block that is not plugged.
  uint64_t block = offset / block_bytes();
  while (block * block_bytes() < wanted_end) {
    const uint64_t bit = block % kBitsPerWord;
    const uint64_t word = plugged_[block / kBitsPerWord].load(kRelaxed) >> bit;
    const auto run = std::min(static_cast<uint64_t>(std::countr_one(word)), kBitsPerWord - bit);
    block += run;
    if (run < kBitsPerWord - bit) break;
  }
  const uint64_t end = std::min(wanted_end, block * block_bytes());
  if (end <= offset) return {};
  return {host() + offset, end - offset};
}

uint64_t PluggableMemory::OffsetOf(const GuestRange& pages) const {
  const uint64_t offset = ToInteger(pages.start) - ToInteger(range().start);
  EMBER_CHECK(offset <= range().size_bytes && pages.size_bytes <= range().size_bytes - offset);
  return offset;
}

Result<uint64_t> PluggableMemory::Reserve(const GuestRange& pages) const {
  if (backing_ != MemoryBacking::kHugetlbfs2M) return uint64_t{0};
  TRY(AllocateFileRange(memfd(), OffsetOf(pages), pages.size_bytes));
  return pages.size_bytes;
}

Status PluggableMemory::Discard(const GuestRange& pages) const {
  const uint64_t offset = OffsetOf(pages);
  if (memfd() < 0) return DropAnonymousPages(host() + offset, pages.size_bytes);
  return DropSharedPages(host() + offset, pages.size_bytes);
}

}  // namespace ember
