#include "jailer/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/concat.h"

namespace ember::jailer {
namespace {

constexpr size_t kBatch = 1024;  // names of a directory held at once
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
constexpr int kRetries = 100;  // of openat2, where renames raced with it

struct Entry {
  std::string name;
  bool directory;
};

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// The first entries of a directory but "." and "..", kBatch at most.
Result<std::vector<Entry>> FirstEntries(int fd, const std::string& path) {
  Fd own(::openat(fd, ".", kDirectoryFlags | O_CLOEXEC));  // with an offset of its own
  if (!own.valid()) return Error::FromErrno("open", path);
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(own.get()));
  if (!dir) return Error::FromErrno("fdopendir", path);
  own.Release();
  std::vector<Entry> entries;
  while (entries.size() < kBatch) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return Error::FromErrno("readdir", path);
      break;
    }
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    bool directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat info {};
      if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
      directory = S_ISDIR(info.st_mode);
    }
    entries.push_back({std::string(name), directory});
  }
  return entries;
}

}  // namespace

std::string Directory::PathOf(std::string_view name) const { return Concat(path_, "/", name); }

Result<Directory> Directory::OpenPath(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno("open", path);
  return Directory(std::move(fd), path);
}

Result<Directory> Directory::MakePath(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    if (::mkdir(prefix.c_str(), 0755) < 0 && errno != EEXIST) {
      return Error::FromErrno("mkdir", prefix);
    }
  }
  if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) return Error::FromErrno("mkdir", path);
  return OpenPath(path);
}

Result<Directory> Directory::OfMount(const Fd& mount, const std::string& path) {
  Fd fd(::openat(mount.get(), ".", kDirectoryFlags | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno("open", path);
  return Directory(std::move(fd), path);
}

Result<Fd> Directory::OpenAt(const std::string& name, int flags, mode_t mode,
                             uint64_t resolve) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = resolve;
  for (int tries = 0; tries < kRetries; ++tries) {
    Fd fd(static_cast<int>(::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof(how))));
    if (fd.valid()) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  if (errno == ELOOP) {
    return Error(Concat(PathOf(name), " is or leads over a symbolic link, which is not followed"));
  }
  if (errno == EXDEV)
    return Error::FromErrno("is a mount, or leads out of its directory:", PathOf(name));
  return Error::FromErrno("open", PathOf(name));
}

Result<Directory> Directory::Open(const std::string& name) const {
  return Directory(TRY(OpenAt(name, kDirectoryFlags, 0, kBeneath)), PathOf(name));
}

Result<Directory> Directory::Make(const std::string& name, mode_t mode) const {
  if (::mkdirat(fd_.get(), name.c_str(), mode) < 0 && errno != EEXIST) {
    return Error::FromErrno("mkdir", PathOf(name));
  }
  return Open(name);
}

Result<Fd> Directory::OpenFile(const std::string& name, int flags) const {
  return OpenAt(name, flags | O_NOFOLLOW, 0, kBeneath);
}

Result<Fd> Directory::CreateFile(const std::string& name, mode_t mode) const {
  return OpenAt(name, O_WRONLY | O_CREAT | O_EXCL, mode, kBeneath);
}

Status Directory::MakeNode(const std::string& name, dev_t number, Owner owner) const {
  if (::mknodat(fd_.get(), name.c_str(), S_IFCHR | 0600, number) < 0) {
    return Error::FromErrno("mknod", PathOf(name));
  }
  // Whoever put something else in its place gets nothing given.
  const Fd node = TRY(OpenFile(name, O_PATH));
  struct stat info {};
  if (::fstat(node.get(), &info) < 0) return Error::FromErrno("fstat", PathOf(name));
  if (!S_ISCHR(info.st_mode) || info.st_rdev != number || info.st_nlink != 1) {
    return Error(Concat(PathOf(name), " is no longer the device that was made"));
  }
  if (::fchownat(node.get(), "", owner.uid, owner.gid, AT_EMPTY_PATH) < 0) {
    return Error::FromErrno("chown", PathOf(name));
  }
  return {};
}

Result<struct stat> Directory::Stat(const std::string& name) const {
  struct stat info {};
  if (::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
    return Error::FromErrno("stat", PathOf(name));
  }
  return info;
}

Status Directory::Remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) < 0 && errno != ENOENT) {
    return Error::FromErrno("remove", PathOf(name));
  }
  return {};
}

Status Directory::RemoveDirectory(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) {
    return Error::FromErrno("remove", PathOf(name));
  }
  return {};
}

// The children of a directory's directories move up beside it, so that no descriptor is needed for
// each level of a tree that its owner made as deep as he liked.
Status Directory::RemoveTree(const std::string& name) const {
  const Result<struct stat> info = Stat(name);
  if (!info && info.error().error_number() == ENOENT) return {};
  // Ours, but perhaps without permission for ourselves; of no matter to root.
  ::fchmodat(fd_.get(), name.c_str(), 0700, AT_SYMLINK_NOFOLLOW);
  Fd fd = TRY(OpenAt(name, kDirectoryFlags, 0, kBeneath | RESOLVE_NO_XDEV));
  const Directory top(std::move(fd), PathOf(name));
  TRY(top.Seize());
  uint64_t next_name = 0;
  while (true) {
    const std::vector<Entry> entries = TRY(FirstEntries(top.fd(), top.path()));
    if (entries.empty()) break;
    for (const Entry& entry : entries) {
      if (!entry.directory) {
        TRY(top.Remove(entry.name));
        continue;
      }
      if (::unlinkat(top.fd(), entry.name.c_str(), AT_REMOVEDIR) == 0) continue;
      ::fchmodat(top.fd(), entry.name.c_str(), 0700, AT_SYMLINK_NOFOLLOW);
      Fd child = TRY(top.OpenAt(entry.name, kDirectoryFlags, 0, kBeneath | RESOLVE_NO_XDEV));
      const Directory directory(std::move(child), top.PathOf(entry.name));
      TRY(directory.Seize());
      TRY(directory.Flatten(top, next_name));
      TRY(top.RemoveDirectory(entry.name));
    }
  }
  return RemoveDirectory(name);
}

Status Directory::Flatten(const Directory& top, uint64_t& next_name) const {
  while (true) {
    const std::vector<Entry> entries = TRY(FirstEntries(fd(), path_));
    if (entries.empty()) return {};
    for (const Entry& entry : entries) {
      if (!entry.directory) {
        TRY(Remove(entry.name));
        continue;
      }
      if (::unlinkat(fd(), entry.name.c_str(), AT_REMOVEDIR) == 0) continue;
      ::fchmodat(fd(), entry.name.c_str(), 0700, AT_SYMLINK_NOFOLLOW);
      std::string moved;
      do {
        moved = Concat(".removed-", next_name++);
      } while (::renameat2(fd(), entry.name.c_str(), top.fd(), moved.c_str(), RENAME_NOREPLACE) <
                   0 &&
               errno == EEXIST);
      if (top.Stat(moved)) continue;
      return Error::FromErrno("remove", PathOf(entry.name));
    }
  }
}

Status Directory::Seize() const { return GiveTo({::geteuid(), ::getegid()}, 0700); }

// What is as it should be is left alone, for each change is one more that the file system has to
// note down. A mode that was right stays so only where the directory was ours all the time.
Status Directory::GiveTo(Owner owner, mode_t mode) const {
  constexpr mode_t kModeBits = 07777;
  struct stat now {};
  if (::fstat(fd_.get(), &now) < 0) return Error::FromErrno("fstat", path_);
  const bool owned = now.st_uid == owner.uid && now.st_gid == owner.gid;
  if (!owned && ::fchown(fd_.get(), owner.uid, owner.gid) < 0) {
    return Error::FromErrno("chown", path_);
  }
  if (now.st_uid == ::geteuid() && (now.st_mode & kModeBits) == mode) return {};
  if (::fchmod(fd_.get(), mode) < 0) return Error::FromErrno("chmod", path_);
  return {};
}

}  // namespace ember::jailer
