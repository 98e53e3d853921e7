#ifndef EMBER_JAILER_CHILD_H_
#define EMBER_JAILER_CHILD_H_

#include <sys/types.h>

#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace ember::jailer {

enum class PidNamespace { kSame, kNew };

// A process that becomes the VMM in place of this one, as fork(2) makes it: both return from Start.
// It waits until its parent lets it go, and ends if that is killed before, so that no machine runs
// that nobody was told of.
class Child {
 public:
  static Result<Child> Start(PidNamespace pid_namespace);

  // In the child, which was let go.
  bool is_self() const { return pid_ == 0; }
  // In the child: its exec failed. The parent's LetGo returns the error.
  [[noreturn]] void EndWith(const Status& failed) const;

  // In the parent: the child's process id, as the parent sees it.
  pid_t pid() const { return pid_; }
  // In the parent: returns once the child has become another program, or with its error.
  Status LetGo();

 private:
  Child(pid_t pid, Fd channel) : pid_(pid), channel_(std::move(channel)) {}

  pid_t pid_;
  Fd channel_;  // a stream to the other; an exec closes it
};

}  // namespace ember::jailer

#endif  // EMBER_JAILER_CHILD_H_
