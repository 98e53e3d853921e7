#include "sandbox/policy/constants.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "sandbox/filter_set.h"

namespace ember::sandbox {
namespace {

struct Constant {
  std::string_view name;
  uint32_t value;
};

// One name for both; NOLINTNEXTLINE: the language has no other way to have a macro's name.
#define EMBER_CONSTANT(name) \
  Constant { #name, static_cast < uint32_t>(name) }

// The C library's own signals come first; this is what it makes of SIGRTMIN.
constexpr uint32_t kFirstRealTimeSignal = 34;

// Of struct kvm_xsave, and of what stands before the data in struct kvm_nested_state.
constexpr uint32_t kXsaveBytes = 4096;
constexpr uint32_t kNestedHeaderBytes = 128;

constexpr auto kConstants = std::to_array<Constant>({
    EMBER_CONSTANT(AF_INET),
    EMBER_CONSTANT(AF_INET6),
    EMBER_CONSTANT(AF_NETLINK),
    EMBER_CONSTANT(AF_UNIX),
    EMBER_CONSTANT(BLKGETSIZE64),
    EMBER_CONSTANT(BLKSSZGET),
    EMBER_CONSTANT(CLONE_CHILD_CLEARTID),
    EMBER_CONSTANT(CLONE_FILES),
    EMBER_CONSTANT(CLONE_FS),
    EMBER_CONSTANT(CLONE_NEWNS),
    EMBER_CONSTANT(CLONE_NEWUSER),
    EMBER_CONSTANT(CLONE_PARENT_SETTID),
    EMBER_CONSTANT(CLONE_SETTLS),
    EMBER_CONSTANT(CLONE_SIGHAND),
    EMBER_CONSTANT(CLONE_SYSVSEM),
    EMBER_CONSTANT(CLONE_THREAD),
    EMBER_CONSTANT(CLONE_VM),
    EMBER_CONSTANT(EACCES),
    EMBER_CONSTANT(ENOENT),
    EMBER_CONSTANT(ENOSYS),
    EMBER_CONSTANT(EPERM),
    EMBER_CONSTANT(FIONBIO),
    EMBER_CONSTANT(FIONREAD),
    EMBER_CONSTANT(FUTEX_CLOCK_REALTIME),
    EMBER_CONSTANT(FUTEX_WAIT),
    EMBER_CONSTANT(FUTEX_WAIT_BITSET),
    EMBER_CONSTANT(FUTEX_WAIT_BITSET_PRIVATE),
    EMBER_CONSTANT(FUTEX_WAIT_PRIVATE),
    EMBER_CONSTANT(FUTEX_WAKE),
    EMBER_CONSTANT(FUTEX_WAKE_PRIVATE),
    EMBER_CONSTANT(F_ADD_SEALS),
    EMBER_CONSTANT(F_DUPFD_CLOEXEC),
    EMBER_CONSTANT(F_GETFD),
    EMBER_CONSTANT(F_GETFL),
    EMBER_CONSTANT(F_GETPIPE_SZ),
    EMBER_CONSTANT(F_SETFD),
    EMBER_CONSTANT(F_SETFL),
    EMBER_CONSTANT(F_SETPIPE_SZ),
    EMBER_CONSTANT(IORING_REGISTER_FILES_UPDATE),
    EMBER_CONSTANT(KVM_CHECK_EXTENSION),
    EMBER_CONSTANT(KVM_CREATE_IRQCHIP),
    EMBER_CONSTANT(KVM_CREATE_PIT2),
    EMBER_CONSTANT(KVM_CREATE_VCPU),
    EMBER_CONSTANT(KVM_CREATE_VM),
    EMBER_CONSTANT(KVM_GET_API_VERSION),
    EMBER_CONSTANT(KVM_GET_CLOCK),
    EMBER_CONSTANT(KVM_GET_DEBUGREGS),
    EMBER_CONSTANT(KVM_GET_DIRTY_LOG),
    EMBER_CONSTANT(KVM_GET_IRQCHIP),
    EMBER_CONSTANT(KVM_GET_LAPIC),
    EMBER_CONSTANT(KVM_GET_MP_STATE),
    EMBER_CONSTANT(KVM_GET_PIT2),
    EMBER_CONSTANT(KVM_GET_REGS),
    EMBER_CONSTANT(KVM_GET_SREGS),
    EMBER_CONSTANT(KVM_GET_SREGS2),
    EMBER_CONSTANT(KVM_GET_TSC_KHZ),
    EMBER_CONSTANT(KVM_GET_VCPU_EVENTS),
    EMBER_CONSTANT(KVM_GET_VCPU_MMAP_SIZE),
    EMBER_CONSTANT(KVM_GET_XCRS),
    EMBER_CONSTANT(KVM_IOEVENTFD),
    EMBER_CONSTANT(KVM_IRQFD),
    EMBER_CONSTANT(KVM_KVMCLOCK_CTRL),
    EMBER_CONSTANT(KVM_RUN),
    EMBER_CONSTANT(KVM_SET_CLOCK),
    EMBER_CONSTANT(KVM_SET_DEBUGREGS),
    EMBER_CONSTANT(KVM_SET_FPU),
    EMBER_CONSTANT(KVM_SET_IDENTITY_MAP_ADDR),
    EMBER_CONSTANT(KVM_SET_IRQCHIP),
    EMBER_CONSTANT(KVM_SET_LAPIC),
    EMBER_CONSTANT(KVM_SET_MP_STATE),
    EMBER_CONSTANT(KVM_SET_PIT2),
    EMBER_CONSTANT(KVM_SET_REGS),
    EMBER_CONSTANT(KVM_SET_SREGS),
    EMBER_CONSTANT(KVM_SET_SREGS2),
    EMBER_CONSTANT(KVM_SET_TSC_KHZ),
    EMBER_CONSTANT(KVM_SET_TSS_ADDR),
    EMBER_CONSTANT(KVM_SET_USER_MEMORY_REGION),
    EMBER_CONSTANT(KVM_SET_VCPU_EVENTS),
    EMBER_CONSTANT(KVM_SET_XCRS),
    EMBER_CONSTANT(MADV_DONTDUMP),
    EMBER_CONSTANT(MADV_DONTFORK),
    EMBER_CONSTANT(MADV_DONTNEED),
    EMBER_CONSTANT(MADV_FREE),
    EMBER_CONSTANT(MADV_HUGEPAGE),
    EMBER_CONSTANT(MADV_REMOVE),
    EMBER_CONSTANT(MAP_FIXED),
    EMBER_CONSTANT(MAP_SHARED),
    EMBER_CONSTANT(PROT_EXEC),
    EMBER_CONSTANT(PROT_READ),
    EMBER_CONSTANT(PROT_WRITE),
    EMBER_CONSTANT(PR_SET_NAME),
    EMBER_CONSTANT(SECCOMP_SET_MODE_FILTER),
    EMBER_CONSTANT(SIGABRT),
    EMBER_CONSTANT(SIGBUS),
    EMBER_CONSTANT(SIGILL),
    EMBER_CONSTANT(SIGKILL),
    EMBER_CONSTANT(SIGPIPE),
    EMBER_CONSTANT(SIGSEGV),
    EMBER_CONSTANT(SIGSYS),
    EMBER_CONSTANT(SIGTERM),
    EMBER_CONSTANT(SIGURG),
    EMBER_CONSTANT(SIGXCPU),
    EMBER_CONSTANT(SIGXFSZ),
    EMBER_CONSTANT(SOL_SOCKET),
    EMBER_CONSTANT(SO_SNDBUF),
    EMBER_CONSTANT(TCGETS),
    EMBER_CONSTANT(TCSETS),
    EMBER_CONSTANT(TCSETSF),
    EMBER_CONSTANT(TCSETSW),
    EMBER_CONSTANT(TIOCGPGRP),
    EMBER_CONSTANT(TIOCGWINSZ),
    EMBER_CONSTANT(TIOCSTI),
    EMBER_CONSTANT(TUNGETIFF),
    EMBER_CONSTANT(TUNSETIFF),
    EMBER_CONSTANT(TUNSETOFFLOAD),
    EMBER_CONSTANT(TUNSETQUEUE),
    EMBER_CONSTANT(TUNSETVNETHDRSZ),
    EMBER_CONSTANT(UFFDIO_COPY),
    EMBER_CONSTANT(UFFDIO_WAKE),
    EMBER_CONSTANT(UFFDIO_ZEROPAGE),
    {"OWN_PROCESS", kOwnProcess},
    {"SIGRTMIN", kFirstRealTimeSignal},
    // The number holds the size of a structure that ends in a flexible array, which <linux/kvm.h>
    // makes longer in C++ than the kernel has it.
    {"KVM_GET_MSR_INDEX_LIST", static_cast<uint32_t>(_IOWR(KVMIO, 0x02, uint32_t))},
    {"KVM_GET_SUPPORTED_CPUID", static_cast<uint32_t>(_IOWR(KVMIO, 0x05, uint64_t))},
    {"KVM_GET_XSAVE", static_cast<uint32_t>(_IOC(_IOC_READ, KVMIO, 0xa4, kXsaveBytes))},
    {"KVM_GET_XSAVE2", static_cast<uint32_t>(_IOC(_IOC_READ, KVMIO, 0xcf, kXsaveBytes))},
    {"KVM_GET_NESTED_STATE",
     static_cast<uint32_t>(_IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0xbe, kNestedHeaderBytes))},
    {"KVM_GET_MSRS", static_cast<uint32_t>(_IOWR(KVMIO, 0x88, uint64_t))},
    {"KVM_SET_MSRS", static_cast<uint32_t>(_IOW(KVMIO, 0x89, uint64_t))},
    {"KVM_SET_CPUID2", static_cast<uint32_t>(_IOW(KVMIO, 0x90, uint64_t))},
    {"KVM_GET_CPUID2", static_cast<uint32_t>(_IOWR(KVMIO, 0x91, uint64_t))},
});

#undef EMBER_CONSTANT

}  // namespace

std::optional<uint32_t> ConstantNamed(std::string_view name) {
  const auto* const found = std::ranges::find(kConstants, name, &Constant::name);
  if (found == kConstants.end()) return std::nullopt;
  return found->value;
}

}  // namespace ember::sandbox
