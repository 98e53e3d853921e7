#ifndef EMBER_BASE_MAC_ADDRESS_H_
#define EMBER_BASE_MAC_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ember {

// An Ethernet address, in the order in which it is sent. A plain value.
struct MacAddress {
  std::array<uint8_t, 6> octets{};

  // Six pairs of hexadecimal digits between colons, in either case: "06:00:c0:a8:00:01".
  static std::optional<MacAddress> Parse(std::string_view text);
  // In lower case.
  std::string ToString() const;

  friend bool operator==(const MacAddress&, const MacAddress&) = default;
};

}  // namespace ember

#endif  // EMBER_BASE_MAC_ADDRESS_H_
