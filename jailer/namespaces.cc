#include "jailer/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <span>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "base/fd.h"

namespace ember::jailer {
namespace {

Status WriteOwn(const char* path, std::string_view text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno("open", path);
  TRY_CONTEXT(WriteAll(fd, std::as_bytes(std::span(text))), path);
  return {};
}

Status MakeMountsPrivate() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
    return Error::FromErrno("make mounts private");
  }
  return {};
}

}  // namespace

Status JoinNetwork(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno("--netns: open", path);
  if (::setns(fd.get(), CLONE_NEWNET) < 0) return Error::FromErrno("--netns: setns", path);
  return {};
}

Status UnshareMounts() {
  if (::unshare(CLONE_NEWNS) < 0) return Error::FromErrno("new mount namespace");
  return MakeMountsPrivate();
}

Status UnshareUserAndMounts(Owner owner) {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
    return Error::FromErrno(
        "without root a jail needs a user namespace, which the kernel refuses; run as root, or see "
        "the sysctls user.max_user_namespaces and kernel.unprivileged_userns_clone");
  }
  TRY(WriteOwn("/proc/self/setgroups", "deny"));
  TRY(WriteOwn("/proc/self/gid_map", Concat(owner.gid, " ", owner.gid, " 1\n")));
  TRY(WriteOwn("/proc/self/uid_map", Concat(owner.uid, " ", owner.uid, " 1\n")));
  return MakeMountsPrivate();
}

Result<Directory> MountJail(const Directory& root) {
  const Fd tree(::open_tree(
      root.fd(), "",
      static_cast<unsigned>(AT_EMPTY_PATH | AT_RECURSIVE) | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return Error::FromErrno("open_tree", root.path());
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID;
  if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                      sizeof(attributes)) < 0) {
    return Error::FromErrno("mount_setattr", root.path());
  }
  if (::move_mount(tree.get(), "", root.fd(), "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
    return Error::FromErrno("mount", root.path());
  }
  return Directory::OfMount(tree, root.path());
}

Status EnterJail(const Directory& mounted_root) {
  if (::fchdir(mounted_root.fd()) < 0) return Error::FromErrno("chdir", mounted_root.path());
  // The old root comes to lie on the new one, from where it is taken off (pivot_root(2)).
  if (::syscall(SYS_pivot_root, ".", ".") < 0) {
    return Error::FromErrno("pivot_root", mounted_root.path());
  }
  if (::umount2(".", MNT_DETACH) < 0) return Error::FromErrno("detach the host's root");
  if (::chdir("/") < 0) return Error::FromErrno("chdir", "/");
  return {};
}

}  // namespace ember::jailer
