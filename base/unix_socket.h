#ifndef EMBER_BASE_UNIX_SOCKET_H_
#define EMBER_BASE_UNIX_SOCKET_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "base/fatal_signals.h"
#include "base/fd.h"
#include "base/result.h"

namespace ember {

// A listening Unix stream socket that has its path from its beginning to its end: what is at the
// path then is removed if it is still this socket, also when a fatal signal ends the process.
// Non-blocking. Move-only; one thread.
class UnixListener {
 public:
  // An error names the path: too long for a socket address, taken, not writable.
  static Result<UnixListener> Bind(const std::string& path);
  ~UnixListener();
  UnixListener(UnixListener&& other) noexcept
      : fd_(std::move(other.fd_)),
        path_(std::move(other.path_)),
        removed_on_signal_(std::move(other.removed_on_signal_)),
        device_(other.device_),
        inode_(other.inode_) {}
  UnixListener& operator=(UnixListener&&) = delete;

  const Fd& fd() const { return fd_; }
  const std::string& path() const { return path_; }
  // The next client, its descriptor non-blocking. EAGAIN: none waits.
  Result<Fd> Accept() const;

 private:
  UnixListener(Fd fd, std::string path, dev_t device, ino_t inode)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        removed_on_signal_(path_),
        device_(device),
        inode_(inode) {}

  Fd fd_;
  std::string path_;
  PathRemovedOnSignal removed_on_signal_;
  // What is at the path by our doing.
  dev_t device_;
  ino_t inode_;
};

// A non-blocking connection to the socket at `path`. Never waits: where the listener's backlog is
// full, that is an error (EAGAIN) as where nobody listens.
Result<Fd> ConnectUnix(const std::string& path);

// Whether the other end of a connection is closed, and not only shut down for sending.
bool IsHungUp(const Fd& socket);

}  // namespace ember

#endif  // EMBER_BASE_UNIX_SOCKET_H_
