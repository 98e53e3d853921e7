#include "kvm/vcpu.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "base/concat.h"
#include "kvm/arch.h"

namespace ember::kvm {

Result<std::unique_ptr<Vcpu>> Vcpu::Create(VcpuIndex index, Fd fd, size_t run_area_bytes) {
  Mapping mapping = TRY_CONTEXT(Mapping::File(fd, {.size_bytes = run_area_bytes}), "vCPU run area");
  return std::unique_ptr<Vcpu>(new Vcpu(index, std::move(fd), std::move(mapping)));
}

Vcpu::Vcpu(VcpuIndex index, Fd fd, Mapping mapping)
    : index_(index),
      fd_(std::move(fd)),
      mapping_(std::move(mapping)),
      run_area_(mapping_.bytes()),
      exit_clock_(ExitClock::Create(fd_)) {}

Result<Vcpu::RunResult> Vcpu::Run() {
  if (::ioctl(fd_.get(), KVM_RUN, 0) == 0) return RunResult::kExited;
  // EAGAIN: a secondary vCPU that waits to be started was woken up.
  if (errno == EINTR || errno == EAGAIN) return RunResult::kInterrupted;
  return Error::FromErrno("KVM_RUN");
}

// The other side is the kernel, which reads the byte once on the way into the guest; the signal
// that follows a request orders the two. Atomic for requests from several threads.
void Vcpu::RequestExit() {
  std::atomic_ref(run_area_.header().immediate_exit).store(1, std::memory_order_release);
}

void Vcpu::ClearExitRequest() {
  std::atomic_ref(run_area_.header().immediate_exit).store(0, std::memory_order_release);
}

Status Vcpu::NotePause() { return arch::NotePause(fd_); }

std::string Vcpu::DescribePosition() const { return arch::DescribePosition(fd_); }

}  // namespace ember::kvm
