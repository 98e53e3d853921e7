#ifndef EMBER_MMDS_IPV4_ADDRESS_H_
#define EMBER_MMDS_IPV4_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ember::mmds {

// An IPv4 address, in the order in which it is sent. A plain value.
struct Ipv4Address {
  std::array<uint8_t, 4> octets{};

  // Four decimal numbers without leading zeros between dots: "169.254.169.254".
  static std::optional<Ipv4Address> Parse(std::string_view text);
  std::string ToString() const;
  // 169.254.1.0 to 169.254.254.255: what a host may take for itself (RFC 3927, 2.1).
  bool IsLinkLocal() const;

  friend bool operator==(const Ipv4Address&, const Ipv4Address&) = default;
};

// Where a guest looks for metadata, unless the client says otherwise.
inline constexpr Ipv4Address kDefaultAddress{{169, 254, 169, 254}};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_IPV4_ADDRESS_H_
