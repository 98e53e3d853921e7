#ifndef EMBER_MEMORY_BACKING_H_
#define EMBER_MEMORY_BACKING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember {

inline constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

// The host memory behind guest RAM. A plain value.
struct MemoryHost {
  std::vector<Mapping> mappings;  // one a range, in their order
  Fd memfd;                       // holds the ranges one after the other; invalid where anonymous
};

// Maps host memory for `ranges`, which the caller has checked: no range is empty or past 2^64 and
// they do not overlap; for huge pages they are made of whole ones. The host may refuse any of it;
// for huge pages the error says how many were wanted and how many the host has.
Result<MemoryHost> AllocateHostMemory(std::span<const GuestRange> ranges, MemoryBacking backing);

}  // namespace ember

#endif  // EMBER_MEMORY_BACKING_H_
