#ifndef EMBER_BASE_CONCAT_H_
#define EMBER_BASE_CONCAT_H_

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace ember {

// A number to be written in hexadecimal with 0x before it.
struct Hex {
  uint64_t value;
};

namespace concat_internal {

inline void Append(std::string& out, std::string_view text) { out += text; }
inline void Append(std::string& out, char letter) { out += letter; }
// Only bool itself: a pointer to text would otherwise convert to it.
void Append(std::string& out, std::same_as<bool> auto value) { out += value ? "true" : "false"; }

template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void Append(std::string& out, T value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, end.ptr);
}

inline void Append(std::string& out, Hex hex) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), hex.value, 16);
  out += "0x";
  out.append(digits, end.ptr);
}

// Typed numbers (GuestAddress and the like) are addresses to a reader: hexadecimal.
template <typename T>
requires std::is_enum_v<T>
void Append(std::string& out, T value) { Append(out, Hex{static_cast<uint64_t>(value)}); }

}  // namespace concat_internal

// The parts, one after the other: Concat("vcpu_count ", n, " exceeds the limit ", kMaxVcpus).
// Integers in decimal, Hex{x} and enums in hexadecimal. Any thread.
template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::string out;
  (concat_internal::Append(out, parts), ...);
  return out;
}

}  // namespace ember

#endif  // EMBER_BASE_CONCAT_H_
