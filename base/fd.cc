#include "base/fd.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <limits>
#include <string_view>
#include <system_error>

#include "base/concat.h"

namespace ember {
namespace {

constexpr uint64_t kMaxFileOffset = std::numeric_limits<off_t>::max();

Result<Fd> Open(const std::string& path, int flags, std::string_view what) {
  constexpr mode_t kOwnerOnly = 0600;
  // A path may name a FIFO or a terminal: O_NONBLOCK keeps open() from waiting for its other end.
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kOwnerOnly);
  if (fd < 0) return Error::FromErrno(what, path);
  return Fd(fd);
}

// Ours have FD_CLOEXEC from the beginning, which those we were started with cannot have.
Result<Fd> DuplicateInherited(int number, int wanted_mode, const std::string& path) {
  const int descriptor_flags = ::fcntl(number, F_GETFD);
  if (descriptor_flags < 0) return Error::FromErrno("inherited descriptor", path);
  if ((descriptor_flags & FD_CLOEXEC) != 0) {
    return Error(Concat(path, " is not a descriptor that the process was started with"));
  }
  const int mode = ::fcntl(number, F_GETFL) & O_ACCMODE;
  if (mode != O_RDWR && mode != wanted_mode) {
    return Error(Concat(path, " was not opened for ",
                        wanted_mode == O_RDONLY   ? "reading"
                        : wanted_mode == O_WRONLY ? "writing"
                                                  : "reading and writing"));
  }
  Fd duplicate(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid()) return Error::FromErrno("duplicate", path);
  return duplicate;
}

}  // namespace

std::optional<int> InheritedNumber(const std::string& path) {
  constexpr std::string_view kPrefix = "/dev/fd/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  int number = -1;
  const char* const end = path.data() + path.size();
  const auto [rest, error] = std::from_chars(path.data() + kPrefix.size(), end, number);
  if (error != std::errc() || rest != end || number < 0) return std::nullopt;
  return number;
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

void Fd::Reset() {
  // Linux frees the descriptor even where close() reports EINTR or EIO, so there is no second try.
  if (valid()) ::close(Release());
}

Result<Fd> OpenFile(const std::string& path, Access access) {
  if (const std::optional<int> number = InheritedNumber(path)) {
    return DuplicateInherited(*number, access == Access::kReadOnly ? O_RDONLY : O_RDWR, path);
  }
  return Open(path, access == Access::kReadOnly ? O_RDONLY : O_RDWR, "open");
}

Result<Fd> CreateFile(const std::string& path) {
  if (const std::optional<int> number = InheritedNumber(path)) {
    Fd file = TRY(DuplicateInherited(*number, O_WRONLY, path));
    const int flags = ::fcntl(file.get(), F_GETFL);
    if (::fcntl(file.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
      return Error::FromErrno("make non-blocking", path);
    }
    return file;
  }
  return Open(path, O_WRONLY | O_CREAT | O_TRUNC, "create");
}

Result<Fd> OpenToAppend(const std::string& path) {
  constexpr int kFlags = O_APPEND | O_CREAT;
  Result<Fd> file = Open(path, O_RDWR | kFlags, "open");
  if (!file && errno == EACCES) return Open(path, O_WRONLY | kFlags, "open");
  return file;
}

Result<Fd> CreateEventFd() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return Error::FromErrno("eventfd");
  return Fd(fd);
}

Result<uint64_t> FileSize(const Fd& fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return Error::FromErrno("fstat", path);
  if (S_ISREG(status.st_mode)) return static_cast<uint64_t>(status.st_size);
  if (!S_ISBLK(status.st_mode)) {
    return Error(Concat(path, " is neither a regular file nor a block device"));
  }
  uint64_t size_bytes = 0;
  if (::ioctl(fd.get(), BLKGETSIZE64, &size_bytes) < 0) {
    return Error::FromErrno("ioctl BLKGETSIZE64", path);
  }
  return size_bytes;
}

Status ReadExactAt(const Fd& fd, uint64_t offset, std::span<std::byte> out) {
  const size_t done = TRY(ReadAt(fd, offset, out));
  if (done < out.size()) {
    return Error(Concat("the file ends after ", done, " of ", out.size(),
                        " bytes wanted at offset ", offset));
  }
  return {};
}

Result<size_t> ReadAt(const Fd& fd, uint64_t offset, std::span<std::byte> out) {
  if (offset > kMaxFileOffset || out.size() > kMaxFileOffset - offset) {
    return Error(Concat("offset ", offset, " and length ", out.size(), " exceed the limit ",
                        kMaxFileOffset));
  }
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t count =
        ::pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count == 0) break;
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      return Error::FromErrno("pread");
    }
  }
  return done;
}

Status WriteAll(const Fd& fd, std::span<const std::byte> in) {
  while (!in.empty()) {
    const ssize_t count = ::write(fd.get(), in.data(), in.size());
    if (count >= 0) {
      in = in.subspan(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      return Error::FromErrno("write");
    }
  }
  return {};
}

}  // namespace ember
