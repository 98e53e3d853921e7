#include "jailer/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/concat.h"

namespace ember::jailer {
namespace {

constexpr rlim_t kDefaultDescriptors = 2048;  // the contract's
constexpr unsigned long kMaxCapabilities = 64;

Status SetLimit(__rlimit_resource resource, const char* name, rlim_t value) {
  const rlimit limit{.rlim_cur = value, .rlim_max = value};
  if (::setrlimit(resource, &limit) < 0) {
    return Error::FromErrno(Concat("--resource-limit ", name, "=", value));
  }
  return {};
}

// Also from the set that bounds what an exec can give, so that uid 0 has none either.
Status DropBounding() {
  for (unsigned long capability = 0; capability < kMaxCapabilities; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0UL, 0UL, 0UL) == 0) continue;
    if (errno == EINVAL) return {};  // the kernel knows no more
    return Error::FromErrno(Concat("drop capability ", capability));
  }
  return {};
}

Status DropCapabilities() {
  if (::prctl(PR_CAP_AMBIENT, static_cast<unsigned long>(PR_CAP_AMBIENT_CLEAR_ALL), 0UL, 0UL, 0UL) <
      0) {
    return Error::FromErrno("clear ambient capabilities");
  }
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) < 0) return Error::FromErrno("capset");
  return {};
}

}  // namespace

Status CloseDescriptors() {
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) < 0) return Error::FromErrno("close_range");
  return {};
}

Status ApplyLimits(const Limits& limits) {
  rlim_t descriptors = kDefaultDescriptors;
  if (limits.descriptors) {
    descriptors = *limits.descriptors;
  } else {
    rlimit now{};
    if (::getrlimit(RLIMIT_NOFILE, &now) < 0) return Error::FromErrno("getrlimit");
    descriptors = std::min(descriptors, now.rlim_max);
  }
  TRY(SetLimit(RLIMIT_NOFILE, "no-file", descriptors));
  if (limits.file_size_bytes) TRY(SetLimit(RLIMIT_FSIZE, "fsize", *limits.file_size_bytes));
  return {};
}

Status DropPrivileges(Owner owner, Groups groups) {
  TRY(DropBounding());
  if (groups == Groups::kClear && ::setgroups(0, nullptr) < 0) {
    return Error::FromErrno("setgroups");
  }
  if (::setresgid(owner.gid, owner.gid, owner.gid) < 0) return Error::FromErrno("setresgid");
  if (::setresuid(owner.uid, owner.uid, owner.uid) < 0) return Error::FromErrno("setresuid");
  TRY(DropCapabilities());
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0) {
    return Error::FromErrno("no_new_privs");
  }
  return {};
}

}  // namespace ember::jailer
