// What whoever takes over a thread of ember-vmm could have it do: a signal to a thread makes it
// carry out the order in a file that the test maps, too. EMBER_BACKDOOR names the file; in a jail,
// which clears the environment, it is /backdoor.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// attacker.py has the same layout. The test writes an order and sends the signal; the thread says
// when it is done. What follows in the file is memory for arguments.
struct Order {
  uint64_t address;  // of this, in the program
  int64_t number;    // of a system call, or one of those below
  std::array<uint64_t, 6> arguments;
  int64_t result;  // as the kernel gives it: a negative error number
  int64_t denied;  // the number of the call that a filter denied, or -1
  std::atomic<uint64_t> done;
};
static_assert(sizeof(Order) == 88);

constexpr size_t kFileBytes = 65536;
constexpr int64_t kNothingDenied = -1;
// From now on a call that a filter denies fails with ENOSYS and is noted, and the process lives on.
constexpr int64_t kOutliveDenials = -1;
constexpr int64_t kCopyMemory = -2;  // to, from, how much

// Constant once main begins.
constinit Order* order = nullptr;
constinit thread_local bool obeying = false;

int64_t Call(int64_t number, const std::array<uint64_t, 6>& arguments) {
  int64_t result = number;
  register uint64_t fourth asm("r10") = arguments[3];
  register uint64_t fifth asm("r8") = arguments[4];
  register uint64_t sixth asm("r9") = arguments[5];
  asm volatile("syscall"
               : "+a"(result)
               : "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(fourth), "r"(fifth),
                 "r"(sixth)
               : "rcx", "r11", "memory");
  return result;
}

// A call that nobody ordered ends the process as it does without a backdoor.
void OnDenial(int /*number*/, siginfo_t* info, void* context) {
  constexpr uint64_t kExitCode = 148;
  if (!obeying) Call(SYS_exit_group, {kExitCode});
  order->denied = info->si_syscall;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
}

int64_t Handle(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  return ::sigaction(signal, &action, nullptr);
}

int64_t Obey() {
  const std::array<uint64_t, 6>& arguments = order->arguments;
  if (order->number == kOutliveDenials) return Handle(SIGSYS, OnDenial);
  if (order->number == kCopyMemory) {
    std::memcpy(reinterpret_cast<void*>(arguments[0]), reinterpret_cast<const void*>(arguments[1]),
                arguments[2]);
    return 0;
  }
  return Call(order->number, arguments);
}

void OnOrder(int /*number*/, siginfo_t* /*info*/, void* /*context*/) {
  order->denied = kNothingDenied;
  obeying = true;
  order->result = Obey();
  obeying = false;
  order->done.store(1);
}

[[gnu::constructor]] void OpenBackdoor() {
  const char* path = std::getenv("EMBER_BACKDOOR");
  if (path == nullptr) path = "/backdoor";
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  void* const at = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED || Handle(SIGUSR2, OnOrder) < 0) {
    std::fprintf(stderr, "%s cannot be mapped\n", path);
    std::abort();
  }
  order = static_cast<Order*>(at);
  order->address = reinterpret_cast<uint64_t>(at);
}

}  // namespace
