#ifndef EMBER_SANDBOX_CONFINEMENT_H_
#define EMBER_SANDBOX_CONFINEMENT_H_

#include <functional>
#include <optional>
#include <span>

#include "base/result.h"
#include "sandbox/file_limits.h"
#include "sandbox/filter_set.h"
#include "sandbox/thread_kind.h"

// Confines the process's threads to the system calls that their work needs (seccomp(2)), without
// any of root's powers. Each thread gives those up and puts on the filter of its kind, for good,
// before it has anything to do with a guest. What a filter does not let pass raises SIGSYS, which
// ends the process (base/fatal_signals.h).
//
// What a thread may not do and needs now and then, such as to open a file that a client names, it
// has the process's worker do, a thread of that name (RunOnWorker()). A thread keeps the filters of
// the one that started it and adds its own: the worker, which starts threads once others are
// confined, may do all that they do.
//
// In a build with sanitizers, which make system calls of their own from every thread, Confine()
// does nothing.
namespace ember::sandbox {

// What Confine() puts on from now on: `filters`, or those the program was built with. The process
// gains no privileges by exec any more (no_new_privs). Starts the worker, which lives as long as
// the process, and is confined by LimitThreads(). Once, from main, before other threads. Errors:
// the host has no seccomp filters.
Status Prepare(std::optional<OwnedFilters> filters);

// Gives up the calling thread's capabilities and puts the filter of `kind` on it. Without Prepare()
// nothing happens. Where the host refuses, which is for lack of memory or a filter from a file that
// makes no sense, logs why and ends the process. Threads that open no files may open none (see
// LimitThreads()) from then on.
void Confine(ThreadKind kind);

// Limits the calling thread, the worker and those that these start from now on to the files of the
// rules, for good, and confines the worker. Once, before the guest runs. Nothing happens without
// Prepare(). Where the kernel cannot limit files, that is logged.
Status LimitThreads(std::span<const FileRule> rules);

// Whether the calling thread has put on its filter.
bool IsConfined();

// Runs `task` and returns when it is done: on the worker, or, where the calling thread is not
// confined, on that. `task` must not wait for a thread that may itself be in here, nor take a mutex
// that such a thread may hold: who needs one takes it before. Any thread.
void RunOnWorker(const std::function<void()>& task);
// The same, but on the worker it is done some time later, and nobody waits.
void PostToWorker(std::function<void()> task);

// What Confine() does, with a filter of one's own and an error to hand back: for tests.
Status PutOn(std::span<const sock_filter> filter);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_CONFINEMENT_H_
