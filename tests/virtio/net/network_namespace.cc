#include "tests/virtio/net/network_namespace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ember::virtio::testing {
namespace {

constexpr const char* kThisThreads = "/proc/thread-self/ns/net";

ifreq RequestFor(const std::string& interface) {
  ifreq request{};
  std::ranges::copy(interface, request.ifr_name);
  return request;
}

sockaddr AddressOf(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, text.c_str(), &address.sin_addr);
  sockaddr plain;
  static_assert(sizeof(plain) == sizeof(address));
  std::memcpy(&plain, &address, sizeof(plain));
  return plain;
}

Status Do(const Fd& control, unsigned long request, void* argument, const char* what) {
  if (::ioctl(control.get(), request, argument) < 0) return Error::FromErrno(what);
  return {};
}

}  // namespace

Result<std::unique_ptr<NetworkNamespace>> NetworkNamespace::Enter() {
  Fd before = TRY(OpenFile(kThisThreads, Access::kReadOnly));
  if (::unshare(CLONE_NEWNET) < 0) return Error::FromErrno("unshare network");
  Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::unique_ptr<NetworkNamespace> made(
      new NetworkNamespace(std::move(before), std::move(control)));
  TRY(made->SetUp("lo", true));
  return made;
}

NetworkNamespace::~NetworkNamespace() {
  static_cast<void>(::setns(before_.get(), CLONE_NEWNET) < 0);
}

Status NetworkNamespace::SetUp(const std::string& interface, bool up) const {
  ifreq request = RequestFor(interface);
  request.ifr_flags = static_cast<short>(up ? IFF_UP | IFF_RUNNING : 0);
  return Do(control_, SIOCSIFFLAGS, &request, "interface up");
}

Status NetworkNamespace::SetMtu(const std::string& interface, int mtu) const {
  ifreq request = RequestFor(interface);
  request.ifr_mtu = mtu;
  return Do(control_, SIOCSIFMTU, &request, "interface MTU");
}

Status NetworkNamespace::SetAddress(const std::string& interface,
                                    const std::string& address) const {
  ifreq request = RequestFor(interface);
  request.ifr_addr = AddressOf(address);
  TRY(Do(control_, SIOCSIFADDR, &request, "interface address"));
  request.ifr_netmask = AddressOf("255.255.255.0");
  return Do(control_, SIOCSIFNETMASK, &request, "interface netmask");
}

Status NetworkNamespace::RouteAllBy(const std::string& interface,
                                    const std::string& gateway) const {
  std::string device = interface;
  rtentry route{};
  route.rt_dst = AddressOf("0.0.0.0");
  route.rt_genmask = AddressOf("0.0.0.0");
  route.rt_gateway = AddressOf(gateway);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  route.rt_dev = device.data();
  return Do(control_, SIOCADDRT, &route, "default route");
}

// The one request that has no ioctl.
Status NetworkNamespace::Delete(const std::string& interface) const {
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_DELLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.link.ifi_index = static_cast<int>(::if_nametoindex(interface.c_str()));
  const Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (::send(netlink.get(), &request, sizeof(request), 0) < 0) {
    return Error::FromErrno("delete interface");
  }
  return {};
}

Result<PacketSocket> PacketSocket::Open(const std::string& interface) {
  Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  if (!fd.valid()) return Error::FromErrno("packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  sockaddr_storage storage{};
  std::memcpy(&storage, &address, sizeof(address));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the call wants it
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), sizeof(address)) < 0) {
    return Error::FromErrno("bind packet socket");
  }
  return PacketSocket(std::move(fd));
}

bool PacketSocket::Send(std::span<const std::byte> frame) const {
  return ::send(fd_.get(), frame.data(), frame.size(), 0) >= 0;
}

std::optional<std::vector<std::byte>> PacketSocket::Take() const {
  for (;;) {
    std::vector<std::byte> frame(70000);
    sockaddr_storage from{};
    socklen_t from_bytes = sizeof(from);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the call wants it
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t count =
        ::recvfrom(fd_.get(), frame.data(), frame.size(), 0, address, &from_bytes);
    if (count < 0 && errno == ENETDOWN) continue;  // told once that it was down
    if (count < 0) return std::nullopt;
    sockaddr_ll link;
    std::memcpy(&link, &from, sizeof(link));
    if (link.sll_pkttype == PACKET_OUTGOING) continue;
    frame.resize(static_cast<size_t>(count));
    return frame;
  }
}

}  // namespace ember::virtio::testing
