#include "sandbox/file_limits.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace ember::sandbox {
namespace {

// struct landlock_ruleset_attr as the newest kernels have it; older ones take it where what they do
// not know is zero.
struct RulesetAttributes {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scopes = 0;
};
static_assert(sizeof(RulesetAttributes) == 24);

// <linux/landlock.h> of Debian 12 ends before these.
constexpr uint64_t kTruncate = uint64_t{1} << 14;
constexpr uint64_t kDeviceRequest = uint64_t{1} << 15;
constexpr uint64_t kTcp = 3;  // to bind and to connect
constexpr uint64_t kAbstractSockets = 1;

// What came with which version of the interface; the first has all before LANDLOCK_ACCESS_FS_REFER.
constexpr uint64_t kFirstFiles = LANDLOCK_ACCESS_FS_REFER - 1;
struct Addition {
  long version;
  RulesetAttributes rights;
};
constexpr std::array kAdditions = {
    Addition{2, {.files = LANDLOCK_ACCESS_FS_REFER}}, Addition{3, {.files = kTruncate}},
    Addition{4, {.network = kTcp}}, Addition{5, {.files = kDeviceRequest}},
    Addition{6, {.scopes = kAbstractSockets}}};

constexpr uint64_t kReadRights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWriteRights =
    kReadRights | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kDeviceRequest;
constexpr uint64_t kSocketRights = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr uint64_t kFolderRights = kWriteRights | kSocketRights | LANDLOCK_ACCESS_FS_MAKE_REG;
// All that a rule for what is no directory may name.
constexpr uint64_t kFileRights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                 LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kDeviceRequest;

uint64_t RightsFor(FileUse use) {
  switch (use) {
    case FileUse::kRead:
      return kReadRights;
    case FileUse::kWrite:
      return kWriteRights;
    case FileUse::kSockets:
      return kSocketRights;
    case FileUse::kFolder:
      break;
  }
  return kFolderRights;
}

// 0 where the kernel has none, or was started without it.
long InterfaceVersion() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : version;
}

RulesetAttributes AllOf(long version) {
  RulesetAttributes all{.files = kFirstFiles};
  for (const Addition& addition : kAdditions) {
    if (addition.version > version) break;
    all.files |= addition.rights.files;
    all.network |= addition.rights.network;
    all.scopes |= addition.rights.scopes;
  }
  return all;
}

Status Add(const Fd& ruleset, const FileRule& rule, uint64_t known_rights) {
  const Fd path(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
  if (!path.valid() && (errno == ENOENT || errno == ENOTDIR)) return {};
  if (!path.valid()) return Error::FromErrno("open", rule.path);
  struct stat status {};
  if (::fstat(path.get(), &status) < 0) return Error::FromErrno("stat", rule.path);
  landlock_path_beneath_attr attributes{};
  attributes.allowed_access = RightsFor(rule.use) & known_rights;
  if (!S_ISDIR(status.st_mode)) attributes.allowed_access &= kFileRights;
  attributes.parent_fd = path.get();
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &attributes, 0) <
      0) {
    return Error::FromErrno("landlock_add_rule", rule.path);
  }
  return {};
}

}  // namespace

Result<FileLimits> FileLimits::Create(std::span<const FileRule> rules) {
  const long version = InterfaceVersion();
  if (version == 0) return FileLimits(Fd());
  const RulesetAttributes all = AllOf(version);
  Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0)));
  if (!ruleset.valid()) return Error::FromErrno("landlock_create_ruleset");
  for (const FileRule& rule : rules) TRY(Add(ruleset, rule, all.files));
  return FileLimits(std::move(ruleset));
}

Status FileLimits::Enter() const {
  if (!in_force()) return {};
  if (::syscall(SYS_landlock_restrict_self, ruleset_.get(), 0) < 0) {
    return Error::FromErrno("landlock_restrict_self");
  }
  return {};
}

}  // namespace ember::sandbox
