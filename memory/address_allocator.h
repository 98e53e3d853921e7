#ifndef EMBER_MEMORY_ADDRESS_ALLOCATOR_H_
#define EMBER_MEMORY_ADDRESS_ALLOCATOR_H_

#include <cstdint>

#include "base/result.h"
#include "memory/guest_address.h"

namespace ember {

// Gives out pieces of a guest-physical range, from its start on, for good. A plain value.
class AddressAllocator {
 public:
  explicit AddressAllocator(const GuestRange& space) : space_(space) {}

  // The next piece that begins at a multiple of `alignment`, a power of two. The error says what
  // was asked for and what is left; then nothing is taken.
  Result<GuestRange> Take(uint64_t size_bytes, uint64_t alignment);

 private:
  GuestRange space_;  // what is left
};

}  // namespace ember

#endif  // EMBER_MEMORY_ADDRESS_ALLOCATOR_H_
