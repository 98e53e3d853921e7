#ifndef EMBER_BASE_FD_H_
#define EMBER_BASE_FD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace ember {

// Owns one file descriptor and closes it. Move-only; any thread, one at a time.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // Gives the descriptor up to the caller.
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_ = -1;
};

enum class Access { kReadOnly, kReadWrite };

// N where `path` is "/dev/fd/N": a descriptor that the process was started with.
std::optional<int> InheritedNumber(const std::string& path);

// Opens an existing file with O_CLOEXEC. The error names the path. Never waits: a FIFO or device
// comes back non-blocking, which regular files do not notice. "/dev/fd/N" is not opened but
// duplicated: it needs no permission and no file system, and what it was not opened for it does not
// become; the descriptor itself stays as it is, to be named again. None of our own can be named.
Result<Fd> OpenFile(const std::string& path, Access access);
// Creates or truncates a file (mode 0600) for writing. Never waits, as OpenFile; "/dev/fd/N", as
// there, is not emptied.
Result<Fd> CreateFile(const std::string& path);
// Opens a file, FIFO or device for appending, non-blocking; a file that is not there is created
// (mode 0600). A FIFO needs no reader: it is opened for reading too where it may be, so that a
// reader that leaves causes no SIGPIPE.
Result<Fd> OpenToAppend(const std::string& path);
// A non-blocking eventfd with a count of 0.
Result<Fd> CreateEventFd();
// Size in bytes of a regular file or block device. `path` is for the error.
Result<uint64_t> FileSize(const Fd& fd, const std::string& path);

// Reads exactly out.size() bytes at `offset`, or fails; a short file is an error that says so.
Status ReadExactAt(const Fd& fd, uint64_t offset, std::span<std::byte> out);
// Reads at most out.size() bytes at `offset`; fewer only at the end of the file.
Result<size_t> ReadAt(const Fd& fd, uint64_t offset, std::span<std::byte> out);
// Writes everything, going on after short writes and EINTR. On a non-blocking descriptor that is
// full it fails with EAGAIN, part of `in` written.
Status WriteAll(const Fd& fd, std::span<const std::byte> in);

}  // namespace ember

#endif  // EMBER_BASE_FD_H_
