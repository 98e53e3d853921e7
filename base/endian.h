#ifndef EMBER_BASE_ENDIAN_H_
#define EMBER_BASE_ENDIAN_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/check.h"

// Little-endian integers in bytes at any alignment, and big-endian ones as networks have them. The
// caller has checked that the bytes are there; where they are not, that is a bug and aborts.
//
//   const uint32_t magic = LoadLe<uint32_t>(header.subspan(kMagicOffset));
//   StoreLe<uint16_t>(port, out.subspan(2));
namespace ember {

// The first sizeof(T) bytes as an integer.
template <std::unsigned_integral T>
T LoadLe(std::span<const std::byte> bytes) {
  static_assert(std::endian::native == std::endian::little,
                "the project's hosts are little-endian");
  EMBER_CHECK(bytes.size() >= sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// Puts `value` into the first sizeof(T) bytes.
template <std::unsigned_integral T>
void StoreLe(T value, std::span<std::byte> bytes) {
  static_assert(std::endian::native == std::endian::little,
                "the project's hosts are little-endian");
  EMBER_CHECK(bytes.size() >= sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
}

// The same with the most significant byte first.
template <std::unsigned_integral T>
T LoadBe(std::span<const std::byte> bytes) {
  EMBER_CHECK(bytes.size() >= sizeof(T));
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8 | std::to_integer<T>(bytes[i]));
  }
  return value;
}
template <std::unsigned_integral T>
void StoreBe(T value, std::span<std::byte> bytes) {
  EMBER_CHECK(bytes.size() >= sizeof(T));
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace ember

#endif  // EMBER_BASE_ENDIAN_H_
