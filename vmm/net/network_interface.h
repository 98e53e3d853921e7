#ifndef EMBER_VMM_NET_NETWORK_INTERFACE_H_
#define EMBER_VMM_NET_NETWORK_INTERFACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/mac_address.h"
#include "base/result.h"
#include "vmm/rate_limiter/rate_limiter_config.h"
#include "vmm/thread_choice.h"

// Network devices as clients describe them.
namespace ember::vmm {

inline constexpr uint16_t kMinMtu = 68;  // as virtio 1.2, 5.1.4.1
inline constexpr uint16_t kMaxInterfaceQueuePairs = 16;

struct NetworkInterfaceConfig {
  std::string iface_id;
  // Exactly one of these three: a tap's name, or, ours, an inherited descriptor of a tap's or the
  // path of a peer's Unix socket.
  std::optional<std::string> host_dev_name;
  std::optional<uint32_t> tap_fd;
  std::optional<std::string> socket_path;
  std::optional<MacAddress> guest_mac;  // absent: the guest makes one up
  std::optional<uint16_t> mtu;          // absent: the guest has its own idea
  RateLimiterConfig rx_rate_limiter;
  RateLimiterConfig tx_rate_limiter;
  uint16_t queue_pairs = 1;                  // ours; more than one only with host_dev_name
  ThreadChoice thread = ThreadChoice::kVmm;  // ours

  friend bool operator==(const NetworkInterfaceConfig&, const NetworkInterfaceConfig&) = default;
};

// What holds within one interface. The error names the field and both values.
Status Validate(const NetworkInterfaceConfig& interface);
// Puts the interface at the end of the list, or in the place of the one with its id. No two have
// the same address or the same back end. An error leaves the list as it was.
Status InsertNetworkInterface(std::vector<NetworkInterfaceConfig>& interfaces,
                              NetworkInterfaceConfig interface);

// What a client changes of an interface while the machine runs.
struct NetworkInterfaceUpdate {
  std::string iface_id;
  RateLimiterConfig rx_rate_limiter;
  RateLimiterConfig tx_rate_limiter;

  friend bool operator==(const NetworkInterfaceUpdate&, const NetworkInterfaceUpdate&) = default;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_NET_NETWORK_INTERFACE_H_
