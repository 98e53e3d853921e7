#include "mmds/ipv4_address.h"

#include <charconv>
#include <cstddef>
#include <system_error>

#include "base/concat.h"

namespace ember::mmds {

std::optional<Ipv4Address> Ipv4Address::Parse(std::string_view text) {
  Ipv4Address address;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < address.octets.size(); ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    if (end - at > 1 && at[0] == '0' && at[1] != '.') return std::nullopt;
    const std::from_chars_result number = std::from_chars(at, end, address.octets[i]);
    if (number.ec != std::errc()) return std::nullopt;
    at = number.ptr;
  }
  if (at != end) return std::nullopt;
  return address;
}

std::string Ipv4Address::ToString() const {
  return Concat(octets[0], '.', octets[1], '.', octets[2], '.', octets[3]);
}

bool Ipv4Address::IsLinkLocal() const {
  return octets[0] == 169 && octets[1] == 254 && octets[2] >= 1 && octets[2] <= 254;
}

}  // namespace ember::mmds
