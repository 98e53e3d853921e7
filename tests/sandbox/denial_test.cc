// The filters on real threads: a process for each, which puts one on and makes one call.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>

#include "sandbox/confinement.h"

namespace ember::sandbox {
namespace {

struct Attempt {
  std::string_view what;
  long number;
  std::array<unsigned long, 4> arguments;
};

// What becomes of a process whose only thread is confined as `kind` and makes the call: 0, where it
// may, or the signal that ends it.
int Outcome(ThreadKind kind, const Attempt& attempt) {
  const std::span<const sock_filter> filter = BuiltInFilters()[static_cast<size_t>(kind)];
  const pid_t child = ::fork();
  if (child == 0) {
    const std::array<unsigned long, 4>& a = attempt.arguments;
    // What a handler of a sanitizer would make of it is no matter here.
    ::signal(SIGSYS, SIG_DFL);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !PutOn(filter)) ::_exit(1);
    ::syscall(attempt.number, a[0], a[1], a[2], a[3]);
    for (;;) ::syscall(SYS_exit_group, 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

constexpr std::array<ThreadKind, kThreadKinds> kAll = {ThreadKind::kApi,    ThreadKind::kVmm,
                                                       ThreadKind::kVcpu,   ThreadKind::kDevice,
                                                       ThreadKind::kWorker, ThreadKind::kFaults};

TEST(DenialTest, WhatNoThreadMayDoEndsTheProcess) {
  const char* const path = "/etc/hostname";
  const auto at = reinterpret_cast<unsigned long>(path);
  const std::array<Attempt, 10> attempts = {{
      {"exec", SYS_execve, {at, 0, 0}},
      {"a handle", SYS_open_by_handle_at, {0, at, O_RDONLY}},
      {"a process", SYS_clone, {SIGCHLD}},
      {"trace", SYS_ptrace, {0, 0, 0, 0}},
      {"internet", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
      {"namespaces", SYS_unshare, {CLONE_NEWUSER}},
      {"limits", SYS_prlimit64, {0, 0, 0, 0}},
      {"code", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}},
      {"another's memory", SYS_process_vm_readv, {1, 0, 0, 0}},
      {"kill", SYS_kill, {1, 0}},
  }};
  for (const ThreadKind kind : kAll) {
    for (const Attempt& attempt : attempts) {
      EXPECT_EQ(Outcome(kind, attempt), SIGSYS) << NameOf(kind) << ": " << attempt.what;
    }
  }
}

TEST(DenialTest, FilesAreTheWorkersAlone) {
  const char* const path = "/etc/hostname";
  const Attempt open{
      "open",
      SYS_openat,
      {static_cast<unsigned long>(AT_FDCWD), reinterpret_cast<unsigned long>(path), O_RDONLY}};
  for (const ThreadKind kind : kAll) {
    EXPECT_EQ(Outcome(kind, open), kind == ThreadKind::kWorker ? 0 : SIGSYS) << NameOf(kind);
  }
}

TEST(DenialTest, WhatEachThreadNeedsPasses) {
  for (const ThreadKind kind : kAll) {
    EXPECT_EQ(Outcome(kind, {"getpid", SYS_getpid, {}}), 0) << NameOf(kind);
    EXPECT_EQ(Outcome(kind, {"write", SYS_write, {2, 0, 0}}), 0) << NameOf(kind);
    EXPECT_EQ(Outcome(kind, {"memory",
                             SYS_mmap,
                             {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS}}),
              0)
        << NameOf(kind);
  }
}

TEST(DenialTest, AThreadKeepsTheFilterOfTheOneThatStartedIt) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGSYS, SIG_DFL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const FilterSet filters = BuiltInFilters();
    const auto worker = PutOn(filters[static_cast<size_t>(ThreadKind::kWorker)]);
    const auto vcpu = PutOn(filters[static_cast<size_t>(ThreadKind::kVcpu)]);
    if (!worker || !vcpu) ::_exit(1);
    ::syscall(SYS_getpid);
    ::syscall(SYS_close, 0);
    for (;;) ::syscall(SYS_exit_group, 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << status;
}

}  // namespace
}  // namespace ember::sandbox
