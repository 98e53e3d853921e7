#ifndef EMBER_MEMORY_BACKING_H_
#define EMBER_MEMORY_BACKING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "memory/guest_address.h"

namespace ember {

inline constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

// kTransparentHuge is anonymous memory that asks for the host's transparent huge pages, so pieces
// of files are read into it and not mapped. kForkable is a memfd that no other process has, so that
// it can become an image (GuestMemory::Freeze()).
enum class MemoryBacking { kAnonymous, kTransparentHuge, kMemfd, kForkable, kHugetlbfs2M };

// The host memory behind guest RAM. A plain value.
struct MemoryHost {
  std::vector<Mapping> mappings;  // one a range, in their order
  Fd memfd;                       // holds the ranges one after the other; invalid where anonymous
};

// Maps host memory for `ranges`, which the caller has checked: no range is empty or past 2^64 and
// they do not overlap; for huge pages they are made of whole ones. The host may refuse any of it;
// for huge pages the error says how many were wanted and how many the host has.
Result<MemoryHost> AllocateHostMemory(std::span<const GuestRange> ranges, MemoryBacking backing);
// The same for one range of which not all need be used: huge pages are not set aside, so a touch
// beyond what the host has of them is a SIGBUS. AllocateFileRange() sets them aside.
Result<MemoryHost> AllocateSparseMemory(const GuestRange& range, MemoryBacking backing);

// Gives the host whole pages of anonymous memory, or of a shared mapping of a file, and makes sure
// of a file's.
Status DropAnonymousPages(std::byte* host, uint64_t len);
Status DropSharedPages(std::byte* host, uint64_t len);
Status AllocateFileRange(int memfd, uint64_t offset_bytes, uint64_t len);

// Seals that a memory file shall have, as fcntl(2) names them: none can be taken off.
Status AddSeals(const Fd& memfd, unsigned seals);

}  // namespace ember

#endif  // EMBER_MEMORY_BACKING_H_
