#ifndef EMBER_MEMORY_GUEST_ADDRESS_H_
#define EMBER_MEMORY_GUEST_ADDRESS_H_

#include <cstdint>
#include <optional>

namespace ember {

// A guest-physical address in bytes. Not a pointer, not an offset, not a guest-virtual address.
enum class GuestAddress : uint64_t {};

constexpr uint64_t ToInteger(GuestAddress at) { return static_cast<uint64_t>(at); }

// at + offset, or nothing where it would pass 2^64.
constexpr std::optional<GuestAddress> CheckedAdd(GuestAddress at, uint64_t offset) {
  const uint64_t sum = ToInteger(at) + offset;
  if (sum < offset) return std::nullopt;
  return GuestAddress{sum};
}

// at + offset for addresses of our own making, where the sum cannot wrap.
constexpr GuestAddress operator+(GuestAddress at, uint64_t offset) {
  return GuestAddress{ToInteger(at) + offset};
}

// [start, start + size_bytes): a piece of guest-physical address space.
struct GuestRange {
  GuestAddress start{};
  uint64_t size_bytes = 0;

  constexpr GuestAddress end() const { return start + size_bytes; }
  constexpr bool Contains(GuestAddress at) const {
    return at >= start && ToInteger(at) - ToInteger(start) < size_bytes;
  }
  friend constexpr bool operator==(const GuestRange&, const GuestRange&) = default;
};

}  // namespace ember

#endif  // EMBER_MEMORY_GUEST_ADDRESS_H_
