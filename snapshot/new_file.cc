#include "snapshot/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/concat.h"

namespace ember::snapshot {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status CheckReplaceable(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISREG(status.st_mode)) return {};
    return Error(Concat(path, " is there and is no regular file"));
  }
  if (errno == ENOENT) return {};
  return Error::FromErrno("stat", path);
}

Status SyncDirectory(const std::string& path) {
  const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return Error::FromErrno("open", path);
  // Some file systems have nothing to make durable in a directory and say so.
  if (::fsync(directory.get()) < 0 && errno != EINVAL) return Error::FromErrno("fsync", path);
  return {};
}

}  // namespace

Result<NewFile> NewFile::Create(const std::string& path, std::string_view suffix) {
  TRY(CheckReplaceable(path));
  std::string temporary = Concat(path, ".", suffix);
  Fd fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
               S_IRUSR | S_IWUSR));
  if (!fd.valid()) return Error::FromErrno("create", temporary);
  return NewFile(path, std::move(temporary), std::move(fd));
}

NewFile::NewFile(std::string path, std::string temporary_path, Fd fd)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)), fd_(std::move(fd)) {}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_path_(std::exchange(other.temporary_path_, {})),
      fd_(std::move(other.fd_)),
      kept_(other.kept_) {}

NewFile::~NewFile() {
  if (!kept_ && !temporary_path_.empty()) ::unlink(temporary_path_.c_str());
}

Status NewFile::Sync() {
  if (::fsync(fd_.get()) < 0) return Error::FromErrno("fsync", temporary_path_);
  return SyncDirectory(DirectoryOf(path_));
}

Status NewFile::Publish() {
  if (::rename(temporary_path_.c_str(), path_.c_str()) < 0) {
    return Error::FromErrno(Concat("rename ", temporary_path_, " to"), path_);
  }
  temporary_path_.clear();
  return SyncDirectory(DirectoryOf(path_));
}

}  // namespace ember::snapshot
