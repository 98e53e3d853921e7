#include "sandbox/confinement.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/sanitizer.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sandbox/capabilities.h"

namespace ember::sandbox {
namespace {

// Constant once Prepare() has returned.
struct State {
  bool prepared = false;
  OwnedFilters from_file;
  FilterSet filters;
  std::optional<FileLimits> no_files;
  std::unique_ptr<Worker> worker;  // null where nothing is confined
};

State& TheState() {
  // Never destroyed: threads may start while the process exits.
  static State* const state = std::make_unique<State>().release();
  return *state;
}

// This thread. Not so in those that the worker starts, until they call Confine().
thread_local bool confined = false;

void ConfineTo(ThreadKind kind) {
  const State& state = TheState();
  // The C library asks the kernel for it, which a filter does not let pass.
  CurrentThreadName();
  Status done = DropCapabilities();
  // The filters of the others leave them no call that opens files, but what an io_uring does is no
  // call of theirs.
  const bool opens_files = kind == ThreadKind::kVmm || kind == ThreadKind::kWorker;
  if (done && !opens_files) done = state.no_files->Enter();
  if (done) done = PutOn(state.filters[static_cast<size_t>(kind)]);
  if (!done) {
    EMBER_LOG(kError, "confinement of ", NameOf(kind), ": ", done.error().message());
    std::abort();
  }
  confined = true;
}

}  // namespace

Status Prepare(std::optional<OwnedFilters> filters) {
  State& state = TheState();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return Error::FromErrno("no_new_privs");
  TRY(DropBoundingSet());
  const uint32_t trap = SECCOMP_RET_TRAP;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) < 0) {
    return Error::FromErrno("this host has no seccomp filters; --no-seccomp does without: seccomp");
  }
  if (filters) {
    state.from_file = *std::move(filters);
    state.filters = Borrow(state.from_file);
  } else {
    state.filters = BuiltInFilters();
  }
  if (kSanitized) return {};
  state.no_files = TRY(FileLimits::Create({}));
  state.prepared = true;
  state.worker = TRY(Worker::Start("worker", [] {}));
  return {};
}

void Confine(ThreadKind kind) {
  if (TheState().prepared) ConfineTo(kind);
}

Status LimitThreads(std::span<const FileRule> rules) {
  const State& state = TheState();
  if (!state.prepared) return {};
  const FileLimits limits = TRY(FileLimits::Create(rules));
  if (!limits.in_force()) {
    EMBER_LOG(kWarning, "this kernel has no Landlock: which files are opened is not limited");
  }
  Status entered = limits.Enter();
  if (!entered) return entered;
  state.worker->Run([&] {
    entered = limits.Enter();
    if (entered) ConfineTo(ThreadKind::kWorker);
  });
  return entered;
}

bool IsConfined() { return confined; }

void RunOnWorker(const std::function<void()>& task) {
  RunOn(confined ? TheState().worker.get() : nullptr, task);
}

void PostToWorker(std::function<void()> task) {
  if (!confined) return task();
  TheState().worker->Post(std::move(task));
}

Status PutOn(std::span<const sock_filter> filter) {
  std::vector<sock_filter> ours = ForProcess(static_cast<uint32_t>(::getpid()), filter);
  const sock_fprog program{.len = static_cast<unsigned short>(ours.size()), .filter = ours.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
    return Error::FromErrno("seccomp");
  }
  return {};
}

}  // namespace ember::sandbox
