#include "vmm/snapshot/machine_state.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/concat.h"
#include "memory/dirty_pages.h"
#include "snapshot/fields.h"

namespace ember {

void kvm::Describe(snapshot::Fields& fields, StatePart& part) {
  fields.Add("name", part.name);
  fields.Add("bytes", part.bytes);
}

namespace vmm {
namespace {

// Words in memory are bytes in a file as they stand.
static_assert(std::endian::native == std::endian::little);

uint64_t PagesOf(const snapshot::MemoryPiece& piece) {
  return piece.region.range.size_bytes / DirtyPages::kPageBytes;
}

}  // namespace

void Describe(snapshot::Fields& fields, VcpuState& vcpu) { fields.Add("parts", vcpu.parts); }

void Describe(snapshot::Fields& fields, DiffState& diff) {
  fields.Add("base", diff.base);
  fields.Add("full", diff.full);
  fields.Add("pages", diff.pages);
}

void Describe(snapshot::Fields& fields, SavedMachine& machine) {
  fields.Add("name", machine.name);
  fields.Add("parent", machine.parent);
  fields.Add("config", machine.config);
  fields.Add("vcpus", machine.vcpus);
  fields.Add("controllers", machine.controllers);
  fields.Add("board", machine.board);
  fields.Add("devices", machine.devices);
  fields.Add("pluggable", machine.pluggable);
  fields.Add("diff", machine.diff);
}

std::vector<std::vector<std::byte>> ToBytes(const snapshot::PageBits& pages) {
  std::vector<std::vector<std::byte>> bytes;
  for (const std::vector<uint64_t>& words : pages) {
    std::vector<std::byte>& piece = bytes.emplace_back(words.size() * sizeof(uint64_t));
    if (!piece.empty()) std::memcpy(piece.data(), words.data(), piece.size());
  }
  return bytes;
}

Result<snapshot::PageBits> ToPageBits(const std::vector<std::vector<std::byte>>& bytes,
                                      const std::vector<snapshot::MemoryPiece>& pieces) {
  constexpr uint64_t kBits = 64;
  if (bytes.size() != pieces.size()) {
    return Error(Concat("the snapshot has the pages of ", bytes.size(),
                        " regions, the machine has ", pieces.size()));
  }
  snapshot::PageBits pages;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint64_t page_count = PagesOf(pieces[i]);
    std::vector<uint64_t>& words = pages.emplace_back((page_count + kBits - 1) / kBits);
    if (bytes[i].size() != words.size() * sizeof(uint64_t)) {
      return Error(Concat("region ", i, " has ", page_count, " pages, the snapshot bits for ",
                          8 * bytes[i].size()));
    }
    if (!words.empty()) std::memcpy(words.data(), bytes[i].data(), bytes[i].size());
    const uint64_t rest = page_count % kBits;
    if (rest != 0 && words.back() >> rest != 0) {
      return Error(Concat("region ", i, " has no pages beyond ", page_count));
    }
  }
  return pages;
}

}  // namespace vmm
}  // namespace ember
