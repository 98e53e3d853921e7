#include "base/socket_message.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace ember {
namespace {

using Control = std::array<char, CMSG_SPACE(kMaxMessageDescriptors * sizeof(int))>;

// Takes ownership of every descriptor in the message.
std::vector<Fd> TakeDescriptors(msghdr& message) {
  std::vector<Fd> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      taken.emplace_back(fd);
    }
  }
  return taken;
}

}  // namespace

Result<size_t> SendMessage(const Fd& socket, std::span<const std::byte> bytes,
                           std::span<const int> descriptors) {
  EMBER_CHECK(descriptors.size() <= kMaxMessageDescriptors);
  // sendmsg() does not write to it.
  iovec piece{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t count = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) return Error::FromErrno("sendmsg");
  return static_cast<size_t>(count);
}

Result<ReceivedMessage> ReceiveMessage(const Fd& socket, std::span<std::byte> out,
                                       Descriptors descriptors) {
  iovec piece{.iov_base = out.data(), .iov_len = out.size()};
  alignas(cmsghdr) Control control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (descriptors == Descriptors::kTake) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  const ssize_t count = ::recvmsg(socket.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) return Error::FromErrno("recvmsg");
  return ReceivedMessage{.size_bytes = static_cast<size_t>(count),
                         .descriptors = TakeDescriptors(message)};
}

}  // namespace ember
