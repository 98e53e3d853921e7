#ifndef EMBER_FIRMWARE_APPEND_LE_H_
#define EMBER_FIRMWARE_APPEND_LE_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/endian.h"

// Growing firmware tables byte by byte. Pure functions; any thread.
namespace ember::firmware {

// `value` as sizeof(T) more bytes, the lowest first.
template <std::unsigned_integral T>
void AppendLe(std::vector<std::byte>& out, T value) {
  out.resize(out.size() + sizeof(T));
  StoreLe(value, std::span(out).last(sizeof(T)));
}

inline void AppendBytes(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Exactly `width` more bytes: the text's first ones, then spaces.
inline void AppendText(std::vector<std::byte>& out, std::string_view text, size_t width) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  AppendBytes(out, bytes.first(std::min(width, bytes.size())));
  out.resize(out.size() + width - std::min(width, bytes.size()), std::byte{' '});
}

// The byte that, added to all of these, makes 0: ACPI's and the MP table's checksum.
inline uint8_t ChecksumOf(std::span<const std::byte> bytes) {
  uint8_t sum = 0;
  for (const std::byte byte : bytes) sum = static_cast<uint8_t>(sum + std::to_integer<int>(byte));
  return static_cast<uint8_t>(-sum);
}

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_APPEND_LE_H_
