#ifndef EMBER_JAILER_DIRECTORY_H_
#define EMBER_JAILER_DIRECTORY_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "jailer/config.h"

namespace ember::jailer {

// An open directory, and what is made, opened and removed in it. A name is one component, or a
// relative path where a function says so; it is resolved beneath the directory, and no symbolic
// link on it is followed (openat2), so that whoever can write in a jail cannot lead us out of it.
// The path is for errors alone. One thread; move-only.
class Directory {
 public:
  // The administrator's own path, which may hold symbolic links. Missing components are made with
  // mode 0755 by MakePath.
  static Result<Directory> OpenPath(const std::string& path);
  static Result<Directory> MakePath(const std::string& path);
  // The top of a mount that `mount` (of O_PATH, say) names.
  static Result<Directory> OfMount(const Fd& mount, const std::string& path);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  // A directory in this one; Make makes it with `mode` where there is none.
  Result<Directory> Open(const std::string& name) const;
  Result<Directory> Make(const std::string& name, mode_t mode) const;
  // An existing file, by open(2)'s flags; O_CLOEXEC is added. `name` may be a relative path.
  Result<Fd> OpenFile(const std::string& name, int flags) const;
  // A new file, writable; it is an error if anything has that name.
  Result<Fd> CreateFile(const std::string& name, mode_t mode) const;
  // A new character device with mode 0600, the owner's.
  Status MakeNode(const std::string& name, dev_t number, Owner owner) const;
  // What has that name, the link itself if it is one. The error has ENOENT if nothing has.
  Result<struct stat> Stat(const std::string& name) const;

  // Removes a file, link or node; nothing by that name is well too.
  Status Remove(const std::string& name) const;
  // Removes an empty directory; the same.
  Status RemoveDirectory(const std::string& name) const;
  // Removes a directory and all beneath it. Neither links nor mounts are followed: a mount is an
  // error that names it. Uses two descriptors and bounded memory however deep and wide the tree is.
  Status RemoveTree(const std::string& name) const;

  // Makes it ours alone (0700): what others could do in it ends here.
  Status Seize() const;
  Status GiveTo(Owner owner, mode_t mode) const;

 private:
  Directory(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  std::string PathOf(std::string_view name) const;
  Result<Fd> OpenAt(const std::string& name, int flags, mode_t mode, uint64_t resolve) const;
  // Empties it but for directories, whose children it moves up into `top` under new names.
  Status Flatten(const Directory& top, uint64_t& next_name) const;

  Fd fd_;
  std::string path_;
};

}  // namespace ember::jailer

#endif  // EMBER_JAILER_DIRECTORY_H_
