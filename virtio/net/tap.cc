#include "virtio/net/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/concat.h"
#include "base/log.h"

namespace ember::virtio {
namespace {

constexpr const char* kTunPath = "/dev/net/tun";
constexpr short kRequiredFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

// What the guest can be given, by feature, as the kernel calls it.
struct Offload {
  unsigned feature;
  unsigned tun_flag;
};
constexpr Offload kReceiveOffloads[] = {
    {VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM}, {VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4},
    {VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6}, {VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN},
    {VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO},
};
// What the kernel does with frames from the guest on every tap with IFF_VNET_HDR.
constexpr Features kTransmitOffloads{VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4,
                                     VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN,
                                     VIRTIO_NET_F_HOST_UFO};

// The kernel refuses segmentation without checksums, as the specification does (5.1.3.1).
unsigned TunFlags(Features features) {
  if (!features.Has(VIRTIO_NET_F_GUEST_CSUM)) return 0;
  unsigned flags = 0;
  for (const Offload& offload : kReceiveOffloads) {
    if (features.Has(offload.feature)) flags |= offload.tun_flag;
  }
  // ECN says how segmentation is done, not that it is.
  if ((flags & (TUN_F_TSO4 | TUN_F_TSO6)) == 0) flags &= ~unsigned{TUN_F_TSO_ECN};
  return flags;
}

bool TrySetOffloads(const Fd& fd, unsigned flags) {
  return ::ioctl(fd.get(), TUNSETOFFLOAD, static_cast<unsigned long>(flags)) == 0;
}

// Those of the receive offloads that this kernel knows.
Features ProbeReceiveOffloads(const Fd& fd) {
  Features supported;
  for (const Offload& offload : kReceiveOffloads) {
    const Features with = supported | Features{offload.feature};
    if (TrySetOffloads(fd, TunFlags(with))) supported = with;
  }
  TrySetOffloads(fd, 0);
  return supported;
}

Result<Fd> Attach(const std::string& name, short flags) {
  Fd fd(::open(kTunPath, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno("open", kTunPath);
  ifreq request{};
  if (name.empty() || name.size() >= sizeof(request.ifr_name)) {
    return Error(Concat("tap name of ", name.size(), " characters is not between 1 and ",
                        sizeof(request.ifr_name) - 1));
  }
  std::ranges::copy(name, request.ifr_name);
  request.ifr_flags = flags;
  if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) return Error::FromErrno("attach to tap", name);
  return fd;
}

}  // namespace

Tap::Tap(std::string name, std::vector<Fd> queues, Features offloads)
    : name_(std::move(name)),
      queues_(std::move(queues)),
      offloads_(offloads),
      used_pairs_(static_cast<uint16_t>(queues_.size())) {}

Result<std::unique_ptr<Tap>> Tap::Open(const std::string& name, uint16_t queue_pairs) {
  const int flags = kRequiredFlags | (queue_pairs > 1 ? IFF_MULTI_QUEUE : 0);
  std::vector<Fd> queues;
  for (uint16_t i = 0; i < queue_pairs; ++i) {
    queues.push_back(TRY(Attach(name, static_cast<short>(flags))));
  }
  return Prepare(name, std::move(queues));
}

Result<std::unique_ptr<Tap>> Tap::Inherit(int tap_fd) {
  Fd fd(::fcntl(tap_fd, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return Error::FromErrno(Concat("tap_fd ", tap_fd));
  ifreq request{};
  if (::ioctl(fd.get(), TUNGETIFF, &request) < 0) {
    return Error::FromErrno(Concat("tap_fd ", tap_fd, " is not attached to a tap"));
  }
  const int missing = kRequiredFlags & ~static_cast<int>(request.ifr_flags);
  if (missing != 0) {
    return Error(Concat("tap_fd ", tap_fd, " must have the flags IFF_TAP, IFF_NO_PI and ",
                        "IFF_VNET_HDR; missing of these ", Hex{static_cast<unsigned>(missing)}));
  }
  const int status = ::fcntl(fd.get(), F_GETFL);
  if (status < 0 || ::fcntl(fd.get(), F_SETFL, status | O_NONBLOCK) < 0) {
    return Error::FromErrno(Concat("tap_fd ", tap_fd));
  }
  request.ifr_name[sizeof(request.ifr_name) - 1] = '\0';
  std::vector<Fd> queues;
  queues.push_back(std::move(fd));
  return Prepare(request.ifr_name, std::move(queues));
}

Result<std::unique_ptr<Tap>> Tap::Prepare(std::string name, std::vector<Fd> queues) {
  for (const Fd& queue : queues) {
    int header_bytes = sizeof(NetHeader);
    if (::ioctl(queue.get(), TUNSETVNETHDRSZ, &header_bytes) < 0) {
      return Error::FromErrno("header size of tap", name);
    }
  }
  const Features offloads = kTransmitOffloads | ProbeReceiveOffloads(queues.front());
  return std::unique_ptr<Tap>(new Tap(std::move(name), std::move(queues), offloads));
}

Status Tap::Start(Features negotiated) {
  if (gone_) return {};
  // Of the interface, not of one queue.
  if (!TrySetOffloads(queues_.front(), TunFlags(negotiated))) {
    return Error::FromErrno("offloads of tap", name_);
  }
  return UsePairs(1);
}

Status Tap::UsePairs(uint16_t count) {
  const auto attach = [this](uint16_t queue, short flag) {
    ifreq request{};
    request.ifr_flags = flag;
    return ::ioctl(queues_[queue].get(), TUNSETQUEUE, &request) == 0;
  };
  // The kernel spreads frames over the attached ones.
  while (used_pairs_ != count && !gone_) {
    const bool more = used_pairs_ < count;
    const auto queue = static_cast<uint16_t>(more ? used_pairs_ : used_pairs_ - 1);
    if (!attach(queue, more ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE)) {
      return Error::FromErrno("queues of tap", name_);
    }
    used_pairs_ = static_cast<uint16_t>(more ? queue + 1 : queue);
  }
  return {};
}

SendOutcome Tap::Send(QueuePair pair, NetHeader header, std::span<iovec> pieces) {
  if (gone_) return SendOutcome::kClosed;
  pieces.front() = {.iov_base = &header, .iov_len = sizeof(header)};
  const int fd = queues_[ToInteger(pair)].get();
  ssize_t sent;
  do {
    sent = ::writev(fd, pieces.data(), static_cast<int>(pieces.size()));
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return SendOutcome::kSent;
  if (errno == EAGAIN) return SendOutcome::kFull;
  gone_ = errno == EBADFD;
  return gone_ ? SendOutcome::kClosed : SendOutcome::kRefused;
}

Received Tap::Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) {
  if (gone_) return {.outcome = ReceiveOutcome::kClosed};
  // The kernel fills in 10 bytes and skips what it does not know.
  header = {};
  pieces.front() = {.iov_base = &header, .iov_len = sizeof(header)};
  const int fd = queues_[ToInteger(pair)].get();
  ssize_t received;
  do {
    received = ::readv(fd, pieces.data(), static_cast<int>(pieces.size()));
  } while (received < 0 && errno == EINTR);
  if (received >= 0) {
    const auto bytes = static_cast<size_t>(received);
    return {.outcome = ReceiveOutcome::kFrame,
            .frame_bytes = bytes - std::min(bytes, sizeof(header))};
  }
  if (errno == EAGAIN) return {.outcome = ReceiveOutcome::kNone};
  gone_ = errno == EBADFD;
  return {.outcome = gone_ ? ReceiveOutcome::kClosed : ReceiveOutcome::kFailed};
}

}  // namespace ember::virtio
