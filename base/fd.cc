#include "base/fd.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

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

}  // namespace

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
  return Open(path, access == Access::kReadOnly ? O_RDONLY : O_RDWR, "open");
}

Result<Fd> CreateFile(const std::string& path) {
  return Open(path, O_WRONLY | O_CREAT | O_TRUNC, "create");
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
