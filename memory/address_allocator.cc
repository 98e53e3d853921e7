#include "memory/address_allocator.h"

#include "base/concat.h"

namespace ember {

Result<GuestRange> AddressAllocator::Take(uint64_t size_bytes, uint64_t alignment) {
  const uint64_t start = ToInteger(space_.start);
  const uint64_t skipped = (alignment - start % alignment) % alignment;
  if (skipped > space_.size_bytes || size_bytes > space_.size_bytes - skipped) {
    return Error(Concat("no room for ", size_bytes, " bytes aligned to ", alignment, " in the ",
                        space_.size_bytes, " bytes of guest-physical addresses from ", space_.start,
                        " on"));
  }
  const GuestRange piece{.start = space_.start + skipped, .size_bytes = size_bytes};
  space_ = {.start = piece.end(), .size_bytes = space_.size_bytes - skipped - size_bytes};
  return piece;
}

}  // namespace ember
