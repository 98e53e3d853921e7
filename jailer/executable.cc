#include "jailer/executable.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.h"

namespace ember::jailer {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 30;

// For the whole file at once: the copy then takes ext4 a quarter less time than if it finds room
// page by page. Where there is none, the copy fails and says so.
void MakeRoom(const Fd& from, const Fd& to) {
  struct stat info {};
  if (::fstat(from.get(), &info) == 0 && info.st_size > 0) {
    ::fallocate(to.get(), FALLOC_FL_KEEP_SIZE, 0, info.st_size);
  }
}

// By reference where the file system can, else inside the kernel.
Status CopyBytes(const Fd& from, const Fd& to) {
  if (::ioctl(to.get(), FICLONE, from.get()) == 0) return {};
  MakeRoom(from, to);
  bool by_range = true;
  loff_t at = 0;
  while (true) {
    const ssize_t copied =
        by_range ? ::copy_file_range(from.get(), &at, to.get(), nullptr, kChunkBytes, 0)
                 : ::sendfile(to.get(), from.get(), &at, kChunkBytes);
    if (copied > 0 || (copied < 0 && errno == EINTR)) continue;
    if (copied == 0 && (!by_range || at > 0)) return {};
    if (!by_range) return Error::FromErrno("copy");
    by_range = false;  // another kind of file system, or one that cannot
  }
}

Status RemoveOld(const Directory& root, const std::string& name) {
  const Result<struct stat> old = root.Stat(name);
  if (!old) return old.error().error_number() == ENOENT ? Status() : Status(Error(old.error()));
  if (S_ISLNK(old->st_mode)) {
    return Error(Concat(root.path(), "/", name, " is a symbolic link, which is not replaced"));
  }
  if (!S_ISREG(old->st_mode)) return Error(Concat(root.path(), "/", name, " is not a file"));
  if (old->st_nlink != 1) {
    return Error(Concat(root.path(), "/", name, " has ", old->st_nlink,
                        " links; one that has more than 1 is not replaced"));
  }
  return root.Remove(name);
}

}  // namespace

Result<Fd> OpenExecutable(const std::string& path) {
  Fd fd = TRY_CONTEXT(ember::OpenFile(path, Access::kReadOnly), "--exec-file");
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0) return Error::FromErrno("fstat", path);
  if (!S_ISREG(info.st_mode)) return Error(Concat("--exec-file ", path, " is not a file"));
  return fd;
}

Status CopyExecutable(const Fd& program, const Directory& root, const std::string& name,
                      Owner owner) {
  TRY(RemoveOld(root, name));
  const Fd copy = TRY(root.CreateFile(name, 0500));
  // While it is empty: ext4 takes as long for the owner of a file just written as for half the
  // copy.
  if (::fchown(copy.get(), owner.uid, owner.gid) < 0) {
    return Error::FromErrno("chown", Concat(root.path(), "/", name));
  }
  TRY_CONTEXT(CopyBytes(program, copy), Concat(root.path(), "/", name));
  return {};
}

}  // namespace ember::jailer
