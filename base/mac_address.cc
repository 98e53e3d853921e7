#include "base/mac_address.h"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace ember {
namespace {

constexpr size_t kOctetWidth = 3;  // two digits and what is after them

}  // namespace

std::optional<MacAddress> MacAddress::Parse(std::string_view text) {
  MacAddress address;
  if (text.size() != kOctetWidth * address.octets.size() - 1) return std::nullopt;
  for (size_t i = 0; i < address.octets.size(); ++i) {
    const std::string_view digits = text.substr(kOctetWidth * i, 2);
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, address.octets[i], 16);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    const bool last = i + 1 == address.octets.size();
    if (!last && text[kOctetWidth * i + 2] != ':') return std::nullopt;
  }
  return address;
}

std::string MacAddress::ToString() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t octet : octets) {
    if (!text.empty()) text += ':';
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

}  // namespace ember
