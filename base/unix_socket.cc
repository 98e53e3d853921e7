#include "base/unix_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/concat.h"

namespace ember {
namespace {

// The sockets API takes every address by its common head.
const sockaddr* CommonHead(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return Error("the path of a Unix socket is empty");
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(Concat("the path of the Unix socket ", path, " has ", path.size(),
                        " bytes, which exceeds the limit ", sizeof(address.sun_path) - 1));
  }
  path.copy(address.sun_path, path.size());
  return address;
}

Result<Fd> NewSocket() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno("socket");
  return fd;
}

}  // namespace

Result<UnixListener> UnixListener::Bind(const std::string& path) {
  const sockaddr_un address = TRY(AddressOf(path));
  Fd fd = TRY(NewSocket());
  if (::bind(fd.get(), CommonHead(address), sizeof(address)) < 0) {
    return Error::FromErrno("bind", path);
  }
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) {
    Error error = Error::FromErrno("stat", path);
    ::unlink(path.c_str());  // which was made just now, and would keep the next one from it
    return error;
  }
  UnixListener listener(std::move(fd), path, status.st_dev, status.st_ino);
  if (::listen(listener.fd().get(), SOMAXCONN) < 0) return Error::FromErrno("listen", path);
  return listener;
}

UnixListener::~UnixListener() {
  if (!fd_.valid()) return;  // moved from
  struct stat status {};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

Result<Fd> UnixListener::Accept() const {
  Fd client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.valid()) return Error::FromErrno("accept", path_);
  return client;
}

Result<Fd> ConnectUnix(const std::string& path) {
  const sockaddr_un address = TRY(AddressOf(path));
  Fd fd = TRY(NewSocket());
  if (::connect(fd.get(), CommonHead(address), sizeof(address)) < 0) {
    return Error::FromErrno("connect", path);
  }
  return fd;
}

bool IsHungUp(const Fd& socket) {
  pollfd poll_fd{.fd = socket.get(), .events = 0, .revents = 0};
  return ::poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace ember
