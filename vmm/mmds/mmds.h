#ifndef EMBER_VMM_MMDS_MMDS_H_
#define EMBER_VMM_MMDS_MMDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "mmds/ipv4_address.h"
#include "vmm/net/network_interface.h"

// The metadata service as clients describe it: how a guest reaches it, not what it holds.
namespace ember::vmm {

enum class MmdsVersion : uint8_t {
  kV1,  // deprecated by the contract: tokens are given and taken, and none is needed
  kV2,
};

struct MmdsConfig {
  MmdsVersion version = MmdsVersion::kV1;
  mmds::Ipv4Address ipv4_address = mmds::kDefaultAddress;
  std::vector<std::string> network_interfaces;  // ids of those by which it is reached
  bool imds_compat = false;                     // answers are text whatever the guest accepts

  friend bool operator==(const MmdsConfig&, const MmdsConfig&) = default;
};

// What holds within it, and that each of its interfaces is among `interfaces`.
Status Validate(const MmdsConfig& mmds, const std::vector<NetworkInterfaceConfig>& interfaces);

}  // namespace ember::vmm

#endif  // EMBER_VMM_MMDS_MMDS_H_
