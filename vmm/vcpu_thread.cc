#include "vmm/vcpu_thread.h"

#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "sandbox/confinement.h"

namespace ember::vmm {
namespace {

// No real-time signal, which would be lost where the user has as many pending as RLIMIT_SIGPENDING
// lets them. It does nothing where it finds no handler.
constexpr int kKickSignal = SIGURG;

Status InstallKickHandler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;  // KVM_RUN is not restarted: it returns EINTR by itself
  if (::sigaction(kKickSignal, &action, nullptr) < 0) return Error::FromErrno("sigaction");
  return {};
}

// The thread inherits its starter's mask.
void AdmitKickSignal() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, kKickSignal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

Result<std::unique_ptr<VcpuThread>> VcpuThread::Start(Options options) {
  TRY(InstallKickHandler());
  const auto index = static_cast<uint32_t>(options.vcpu->index());
  std::unique_ptr<VcpuThread> vcpu(new VcpuThread(std::move(options)));
  vcpu->thread_ = TRY(Thread::Start(Concat("vcpu-", index), [self = vcpu.get()] { self->Main(); }));
  return vcpu;
}

VcpuThread::VcpuThread(Options options)
    : vcpu_(std::move(options.vcpu)),
      id_(Concat(static_cast<uint32_t>(vcpu_->index()))),
      mmio_(options.mmio),
      pio_(options.pio),
      on_exit_(std::move(options.on_exit)) {}

VcpuThread::~VcpuThread() { Stop(); }

void VcpuThread::Resume() { Give(Order::kRun); }

void VcpuThread::RequestPause() { Give(Order::kPause); }

void VcpuThread::Pause() {
  RequestPause();
  WaitUntilPaused();
}

void VcpuThread::Stop() {
  Give(Order::kStop);
  WaitUntilPaused();
}

void VcpuThread::Give(Order order) {
  MutexLock lock(mutex_);
  if (order_ == Order::kStop) return;  // for good
  order_ = order;
  changed_.NotifyAll();
  if (order == Order::kRun || state_ != State::kRunning) return;
  vcpu_->RequestExit();
  // Fails only where the thread is gone, and then so is what it ran.
  static_cast<void>(thread_.Signal(kKickSignal));
}

void VcpuThread::WaitUntilPaused() {
  MutexLock lock(mutex_);
  while (state_ == State::kRunning) changed_.Wait(mutex_);
}

void VcpuThread::Main() {
  AdmitKickSignal();
  sandbox::Confine(sandbox::ThreadKind::kVcpu);
  while (AwaitOrderToRun()) RunGuest();
}

void VcpuThread::NotePause() {
  const Status noted = vcpu_->NotePause();
  if (noted) return;
  metrics_.kvmclock_ctrl_fails.Add();
  EMBER_LOG_LIMITED(kWarning, "vCPU ", static_cast<uint32_t>(vcpu_->index()), ": ",
                    noted.error().message());
}

// False when there is nothing left to do.
bool VcpuThread::AwaitOrderToRun() {
  MutexLock lock(mutex_);
  if (order_ != Order::kRun && state_ == State::kRunning) {
    if (order_ == Order::kPause) NotePause();
    pulse_.Enter(VcpuPulse::State::kPaused);
    state_ = State::kPaused;
    changed_.NotifyAll();
  }
  while (order_ == Order::kPause || (order_ == Order::kRun && state_ == State::kEnded)) {
    changed_.Wait(mutex_);
  }
  if (order_ == Order::kStop) return false;
  vcpu_->ClearExitRequest();
  state_ = State::kRunning;
  return true;
}

// Until a command may wait, or the end.
void VcpuThread::RunGuest() {
  for (;;) {
    pulse_.Enter(VcpuPulse::State::kGuest);
    const Result<kvm::Vcpu::RunResult> result = vcpu_->Run();
    pulse_.Enter(VcpuPulse::State::kExit);
    if (!result) return End(kvm::StopReason::kHostFailure, result.error().message());
    if (*result == kvm::Vcpu::RunResult::kInterrupted) return;
    const std::optional<kvm::StopReason> stop =
        kvm::DispatchExit(vcpu_->run_area(), mmio_, pio_, vcpu_->exit_clock(), metrics_);
    if (stop) return End(*stop, DescribeStop(*stop));
  }
}

void VcpuThread::End(kvm::StopReason reason, std::string details) {
  {
    // Before the callback: whoever it tells may at once wait for this vCPU to pause.
    MutexLock lock(mutex_);
    pulse_.Enter(VcpuPulse::State::kEnded);
    state_ = State::kEnded;
    changed_.NotifyAll();
  }
  on_exit_(vcpu_->index(), {.reason = reason, .details = std::move(details)});
}

std::string VcpuThread::DescribeStop(kvm::StopReason reason) const {
  std::string text = kvm::DescribeStop(vcpu_->run_area(), reason);
  if (reason != kvm::StopReason::kInternalError) return text;
  // Only here it tells something: a triple fault, for one, has reset the registers on AMD.
  return Concat(text, " at ", vcpu_->DescribePosition());
}

}  // namespace ember::vmm
