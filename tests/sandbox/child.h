#ifndef EMBER_TESTS_SANDBOX_CHILD_H_
#define EMBER_TESTS_SANDBOX_CHILD_H_

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace ember::sandbox {

// What `check` says in a process of its own, which may give up for good what the test's needs.
inline bool HoldsInChild(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    const long code = check() ? 0 : 1;
    for (;;) ::syscall(SYS_exit_group, code);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace ember::sandbox

#endif  // EMBER_TESTS_SANDBOX_CHILD_H_
