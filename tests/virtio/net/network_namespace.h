#ifndef EMBER_TESTS_VIRTIO_NET_NETWORK_NAMESPACE_H_
#define EMBER_TESTS_VIRTIO_NET_NETWORK_NAMESPACE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace ember::virtio::testing {

// A network of a test's own: while it lives, the calling thread and the processes it starts are in
// it, alone. Needs root.
class NetworkNamespace {
 public:
  static Result<std::unique_ptr<NetworkNamespace>> Enter();
  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  // Of an interface in it: up or not, its MTU, its IPv4 address with 24 bits of network, and a
  // default route by way of it.
  Status SetUp(const std::string& interface, bool up) const;
  Status SetMtu(const std::string& interface, int mtu) const;
  Status SetAddress(const std::string& interface, const std::string& address) const;
  Status Delete(const std::string& interface) const;
  Status RouteAllBy(const std::string& interface, const std::string& gateway) const;

 private:
  NetworkNamespace(Fd before, Fd control)
      : before_(std::move(before)), control_(std::move(control)) {}

  const Fd before_;   // the namespace to go back to
  const Fd control_;  // a socket for requests
};

// Sends and receives whole frames at the host's end of an interface.
class PacketSocket {
 public:
  static Result<PacketSocket> Open(const std::string& interface);

  bool Send(std::span<const std::byte> frame) const;
  // The next frame that came from the interface and not from this socket; nothing where there is
  // none.
  std::optional<std::vector<std::byte>> Take() const;

 private:
  explicit PacketSocket(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_NET_NETWORK_NAMESPACE_H_
