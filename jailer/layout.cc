#include "jailer/layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/concat.h"

namespace ember::jailer {
namespace {

constexpr char kLock[] = "lock";
constexpr int kRetries = 100;  // each time somebody else made or removed the file in between

bool IsMissing(const Error& error) { return error.error_number() == ENOENT; }

Status TakeLock(const Fd& lock, const Directory& machine) {
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return Error::FromErrno("flock", Concat(machine.path(), "/", kLock));
  return Error(Concat(machine.path(), ": the machine lives: its lock is held"));
}

// The lock of the machine, read-only: whoever inherits it can do nothing to the file. Empty where
// the directory went away meanwhile.
Result<Fd> LockMachine(const Directory& machine) {
  for (int tries = 0; tries < kRetries; ++tries) {
    const Result<Fd> made = machine.CreateFile(kLock, 0600);
    if (!made && IsMissing(made.error())) return Fd();
    if (!made && made.error().error_number() != EEXIST) return Error(made.error());
    Result<Fd> lock = machine.OpenFile(kLock, O_RDONLY | O_NONBLOCK);
    if (!lock && IsMissing(lock.error())) continue;
    if (!lock) return lock;
    TRY(TakeLock(*lock, machine));
    struct stat info {};
    if (::fstat(lock->get(), &info) < 0) return Error::FromErrno("fstat", machine.path());
    if (!S_ISREG(info.st_mode)) return Error(Concat(machine.path(), "/lock is not a file"));
    if (info.st_nlink > 0) return lock;  // else a clean-up removed it before we had it
  }
  return Error(Concat(machine.path(), ": its lock keeps being removed"));
}

}  // namespace

Result<ClaimedJail> ClaimJail(const JailName& name) {
  const Directory base = TRY_CONTEXT(Directory::MakePath(name.base), "--chroot-base-dir");
  for (int tries = 0; tries < kRetries; ++tries) {
    Directory machines = TRY(base.Make(name.exec_name, 0755));
    Result<Directory> machine = machines.Make(name.id, 0755);
    if (!machine && IsMissing(machine.error())) continue;
    if (!machine) return std::move(machine).error();
    Fd lock = TRY(LockMachine(*machine));
    if (!lock.valid()) continue;
    return ClaimedJail{std::move(machines), *std::move(machine), std::move(lock)};
  }
  return Error(Concat(name.base, ": the machine's directory keeps being removed"));
}

Result<std::optional<ClaimedJail>> ClaimExistingJail(const JailName& name) {
  const auto none_if_missing = [](Error error) -> Result<std::optional<ClaimedJail>> {
    if (IsMissing(error)) return std::optional<ClaimedJail>();
    return Error(std::move(error));
  };
  const Result<Directory> base = Directory::OpenPath(name.base);
  if (!base) return none_if_missing(base.error());
  Result<Directory> machines = base->Open(name.exec_name);
  if (!machines) return none_if_missing(machines.error());
  Result<Directory> machine = machines->Open(name.id);
  if (!machine) return none_if_missing(machine.error());
  Fd lock = TRY(LockMachine(*machine));
  if (!lock.valid()) return std::optional<ClaimedJail>();
  return std::optional<ClaimedJail>(
      ClaimedJail{*std::move(machines), *std::move(machine), std::move(lock)});
}

}  // namespace ember::jailer
