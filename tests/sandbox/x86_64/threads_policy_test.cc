// What the tree's own policy lets each thread do, as the compiled filters say it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <span>
#include <string>
#include <vector>

#include "sandbox/audit_architecture.h"
#include "sandbox/policy/compiler.h"
#include "sandbox/policy/constants.h"
#include "tests/sandbox/filter_machine.h"
#include "tests/sandbox/policy_text.h"

namespace ember::sandbox {
namespace {

const std::vector<sock_filter>& FilterOf(ThreadKind kind) {
  return CompiledPolicy()[static_cast<size_t>(kind)];
}

void ExpectTrapped(ThreadKind kind, const SystemCall& call) {
  EXPECT_EQ(Judge(FilterOf(kind), call), Verdict::kTrap) << NameOf(kind) << " " << call.name;
}
void ExpectAllowed(ThreadKind kind, const SystemCall& call) {
  EXPECT_EQ(Judge(FilterOf(kind), call), Verdict::kAllow) << NameOf(kind) << " " << call.name;
}

uint64_t KvmRun() { return *ConstantNamed("KVM_RUN"); }

constexpr std::array<ThreadKind, kThreadKinds> kAll = {ThreadKind::kApi,    ThreadKind::kVmm,
                                                       ThreadKind::kVcpu,   ThreadKind::kDevice,
                                                       ThreadKind::kWorker, ThreadKind::kFaults};

TEST(ThreadsPolicyTest, EachThreadKeepsToItsNumberOfCalls) {
  const Policy policy = ParsePolicy(PolicyText()).value();
  const auto count = [&](ThreadKind kind) {
    return AllowedCalls(policy[static_cast<size_t>(kind)]).size();
  };
  EXPECT_LE(count(ThreadKind::kVmm), 45U);
  EXPECT_LE(count(ThreadKind::kApi), 28U);
  EXPECT_LE(count(ThreadKind::kVcpu), 20U);
  EXPECT_LE(count(ThreadKind::kDevice), 45U);
  EXPECT_LE(count(ThreadKind::kWorker), 70U);
  EXPECT_LE(count(ThreadKind::kFaults), 24U);
}

TEST(ThreadsPolicyTest, TheProgramWasBuiltWithIt) {
  const FilterSet built_in = BuiltInFilters();
  for (size_t i = 0; i < kThreadKinds; ++i) {
    const auto bytes = [](std::span<const sock_filter> filter) { return std::as_bytes(filter); };
    EXPECT_TRUE(std::ranges::equal(bytes(built_in[i]), bytes(CompiledPolicy()[i])))
        << kThreadKindNames[i];
  }
}

TEST(ThreadsPolicyTest, NoThreadGetsMemoryThatIsExecutable) {
  for (const ThreadKind kind : kAll) {
    for (const std::string name : {"mmap", "mprotect"}) {
      ExpectAllowed(kind, {name, {0, 4096, PROT_READ | PROT_WRITE}});
      ExpectTrapped(kind, {name, {0, 4096, PROT_READ | PROT_EXEC}});
      ExpectTrapped(kind, {name, {0, 4096, PROT_EXEC}});
    }
    ExpectTrapped(kind, {"pkey_mprotect", {0, 4096, PROT_READ}});
    ExpectTrapped(kind, {"mremap", {}});
    ExpectTrapped(kind, {"shmat", {}});
  }
}

TEST(ThreadsPolicyTest, NoThreadLeavesTheProcessOrGainsPower) {
  for (const ThreadKind kind : kAll) {
    for (const std::string name : {"execve",
                                   "execveat",
                                   "fork",
                                   "vfork",
                                   "ptrace",
                                   "process_vm_readv",
                                   "process_vm_writev",
                                   "pidfd_open",
                                   "pidfd_getfd",
                                   "kill",
                                   "unshare",
                                   "setns",
                                   "mount",
                                   "umount2",
                                   "pivot_root",
                                   "chroot",
                                   "setuid",
                                   "setgid",
                                   "setresuid",
                                   "prlimit64",
                                   "setrlimit",
                                   "bpf",
                                   "perf_event_open",
                                   "keyctl",
                                   "add_key",
                                   "userfaultfd",
                                   "init_module",
                                   "kexec_load",
                                   "open",
                                   "open_by_handle_at",
                                   "linkat",
                                   "symlinkat",
                                   "renameat2",
                                   "mkdirat",
                                   "fchmodat",
                                   "chmod"}) {
      ExpectTrapped(kind, {name, {}});
    }
    ExpectTrapped(kind, {"tgkill", {1, 1, SIGKILL}});
    ExpectTrapped(kind, {"ioctl", {0, TIOCSTI}});
    ExpectTrapped(kind, {"futex", {0, FUTEX_LOCK_PI}});
    ExpectTrapped(kind, {"clone", {CLONE_NEWUSER | SIGCHLD}});
    ExpectTrapped(kind, {"clone", {SIGCHLD}});
  }
}

TEST(ThreadsPolicyTest, SignalsGoToTheProcessThatPutsTheFilterOnAlone) {
  constexpr uint32_t kProcess = 4321;
  for (const ThreadKind kind : kAll) {
    const std::vector<sock_filter> filter = ForProcess(kProcess, FilterOf(kind));
    EXPECT_EQ(Judge(filter, {"tgkill", {kProcess, 1, SIGABRT}}), Verdict::kAllow) << NameOf(kind);
    EXPECT_EQ(Judge(filter, {"tgkill", {kProcess, 1, SIGKILL}}), Verdict::kTrap) << NameOf(kind);
    for (const uint32_t other : {0U, 1U, kProcess + 1, kOwnProcess, ~0U}) {
      EXPECT_EQ(Judge(filter, {"tgkill", {other, 1, SIGABRT}}), Verdict::kTrap) << NameOf(kind);
    }
  }
}

TEST(ThreadsPolicyTest, NobodyMakesARingOrChangesMoreOfOneThanItsFile) {
  constexpr uint64_t kRing = 9;
  for (const ThreadKind kind : kAll) {
    ExpectTrapped(kind, {"io_uring_setup", {64}});
    for (uint64_t operation = 0; operation < 64; ++operation) {
      if (operation == IORING_REGISTER_FILES_UPDATE && kind == ThreadKind::kWorker) {
        ExpectAllowed(kind, {"io_uring_register", {kRing, operation}});
      } else {
        ExpectTrapped(kind, {"io_uring_register", {kRing, operation}});
      }
    }
  }
}

TEST(ThreadsPolicyTest, OnlyUnixSocketsAreMade) {
  for (const ThreadKind kind : kAll) {
    for (const int family : {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK}) {
      ExpectTrapped(kind, {"socket", {static_cast<uint64_t>(family)}});
    }
  }
  for (const ThreadKind kind : {ThreadKind::kApi, ThreadKind::kVcpu}) {
    ExpectTrapped(kind, {"socket", {AF_UNIX}});
    ExpectTrapped(kind, {"connect", {}});
  }
  ExpectAllowed(ThreadKind::kDevice, {"socket", {AF_UNIX}});
}

TEST(ThreadsPolicyTest, OnlyTheWorkerOpensFilesAndStartsThreads) {
  for (const ThreadKind kind : kAll) {
    if (kind == ThreadKind::kWorker) continue;
    for (const std::string name : {"openat", "openat2", "clone", "clone3", "memfd_create",
                                   "io_uring_setup", "io_uring_register", "bind", "seccomp"}) {
      ExpectTrapped(kind, {name, {}});
    }
  }
  ExpectAllowed(ThreadKind::kWorker, {"openat", {}});
  // Without an error the C library would not take clone in its place.
  EXPECT_EQ(Judge(FilterOf(ThreadKind::kWorker), {"clone3", {}}), Verdict::kError);
}

TEST(ThreadsPolicyTest, AProcessorsThreadRunsItAndTouchesNoDescriptorOfAnother) {
  ExpectAllowed(ThreadKind::kVcpu, {"ioctl", {0, KvmRun()}});
  ExpectTrapped(ThreadKind::kVcpu, {"ioctl", {0, *ConstantNamed("KVM_CREATE_VM")}});
  ExpectTrapped(ThreadKind::kVcpu, {"ioctl", {0, TUNSETIFF}});
  for (const std::string name : {"read", "close", "sendmsg", "pwritev", "io_uring_enter", "unlink",
                                 "epoll_ctl", "accept4", "fcntl"}) {
    ExpectTrapped(ThreadKind::kVcpu, {name, {}});
  }
}

// Arguments are compared as the kernel reads them: as 32 bits.
TEST(ThreadsPolicyTest, TheUpperHalfOfAnArgumentChangesNothing) {
  constexpr uint64_t kRubbish = uint64_t{0xabcdef} << 32;
  ExpectAllowed(ThreadKind::kVcpu, {"ioctl", {0, KvmRun() | kRubbish}});
  ExpectTrapped(ThreadKind::kVmm, {"socket", {AF_INET | kRubbish}});
  ExpectTrapped(ThreadKind::kVmm, {"mprotect", {0, 4096, PROT_EXEC | kRubbish}});
}

TEST(ThreadsPolicyTest, OtherWaysToCallTheKernelAreShut) {
  constexpr uint32_t kX32 = 0x40000000;
  for (const ThreadKind kind : kAll) {
    EXPECT_NE(JudgeNumber(FilterOf(kind), 1, AUDIT_ARCH_I386), Verdict::kAllow);
    for (const uint32_t number : {0U, 1U, 9U, 59U, 516U, 520U}) {
      EXPECT_NE(JudgeNumber(FilterOf(kind), kX32 | number, kAuditArchitecture), Verdict::kAllow);
    }
  }
}

// A thread has the filters of the one that started it, too.
TEST(ThreadsPolicyTest, TheWorkerMayDoAllThatTheThreadsItStartsDo) {
  const Policy policy = ParsePolicy(PolicyText()).value();
  const std::vector<Rule>& worker = policy[static_cast<size_t>(ThreadKind::kWorker)].rules;
  for (const ThreadKind kind : {ThreadKind::kVcpu, ThreadKind::kDevice}) {
    for (const Rule& rule : policy[static_cast<size_t>(kind)].rules) {
      EXPECT_NE(std::ranges::find(worker, rule), worker.end()) << NameOf(kind) << " " << rule.call;
    }
  }
}

}  // namespace
}  // namespace ember::sandbox
