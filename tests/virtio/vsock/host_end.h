#ifndef EMBER_TESTS_VIRTIO_VSOCK_HOST_END_H_
#define EMBER_TESTS_VIRTIO_VSOCK_HOST_END_H_

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"

namespace ember::virtio::testing {

// The host's end of a stream: a Unix socket that never waits. One thread.
class HostEnd {
 public:
  explicit HostEnd(Fd fd) : fd_(std::move(fd)) {}

  const Fd& fd() const { return fd_; }
  // How many bytes the socket took.
  size_t Write(std::string_view bytes) const {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  // What is there, at most `most` bytes.
  std::string Read(size_t most = 65536) const {
    std::string bytes(most, '\0');
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  // Nothing more will come.
  bool AtEnd() const {
    char byte = 0;
    const ssize_t got = ::recv(fd_.get(), &byte, 1, MSG_PEEK);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }
  void ShutDown(int how) const { ::shutdown(fd_.get(), how); }
  void Close() { fd_.Reset(); }

 private:
  Fd fd_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_VSOCK_HOST_END_H_
