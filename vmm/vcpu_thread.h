#ifndef EMBER_VMM_VCPU_THREAD_H_
#define EMBER_VMM_VCPU_THREAD_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/thread.h"
#include "base/thread_annotations.h"
#include "kvm/exit_dispatch.h"
#include "kvm/stop_reason.h"
#include "kvm/vcpu.h"
#include "vmm/vitals.h"

namespace ember {
class Bus;
}

namespace ember::vmm {

// The thread "vcpu-N": runs one vCPU and answers its exits. It starts paused and obeys its owner;
// commands may come from any thread, one at a time. A vCPU that has ended (a triple fault, say)
// runs no more but takes commands as before: Resume() then does nothing, Pause() and Stop() return
// at once.
//
// To get the vCPU out of guest code, immediate_exit is set and then SIGURG sent to the thread.
// Whichever way the two meet KVM_RUN it returns: KVM looks at the flag on its way in, and a signal
// from there on breaks it off. The flag is cleared together with the decision to run, under the
// mutex, so no command is lost. The signal's handler does nothing; system calls of device code are
// restarted after it. The process must leave SIGURG to us.
//
//   auto vcpu = TRY(VcpuThread::Start({.vcpu = …, .mmio = mmio, .pio = pio, .on_exit = …}));
//   vcpu->Resume();
class VcpuThread {
 public:
  // Told once, on the vCPU's thread, when the vCPU has ended; must not destroy the VcpuThread.
  using ExitCallback = std::function<void(kvm::VcpuIndex, kvm::ExitReport)>;

  struct Options {
    std::unique_ptr<kvm::Vcpu> vcpu;
    const Bus& mmio;  // both outlive the thread
    const Bus& pio;
    ExitCallback on_exit;
  };

  static Result<std::unique_ptr<VcpuThread>> Start(Options options);
  // Stops and joins.
  ~VcpuThread();
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;

  void Resume();
  // After Pause() no guest code runs and no access is half done, until Resume(). In two halves, so
  // that the vCPUs of a machine stop side by side: request of each, then wait for each.
  void Pause();
  void RequestPause();
  void WaitUntilPaused();
  // After Stop() no guest code runs again.
  void Stop();

  // For registers; only while paused or stopped.
  const kvm::Vcpu& vcpu() const { return *vcpu_; }
  const kvm::VcpuMetrics& metrics() const { return metrics_; }
  // What the thread is at. Any thread.
  const VcpuPulse& pulse() const { return pulse_; }
  // The number of the vCPU, by which its metrics are known.
  std::string_view id() const { return id_; }

 private:
  enum class Order { kPause, kRun, kStop };
  enum class State { kPaused, kRunning, kEnded };

  explicit VcpuThread(Options options);

  // The thread's own.
  void Main();
  bool AwaitOrderToRun();
  void RunGuest();
  void NotePause();
  void End(kvm::StopReason reason, std::string details);
  std::string DescribeStop(kvm::StopReason reason) const;
  // The owner's.
  void Give(Order order);

  // Constant after construction; what vcpu_ points to belongs to the thread while it runs.
  const std::unique_ptr<kvm::Vcpu> vcpu_;
  const std::string id_;
  const Bus& mmio_;
  const Bus& pio_;
  const ExitCallback on_exit_;
  kvm::VcpuMetrics metrics_;
  VcpuPulse pulse_;

  Mutex mutex_;
  CondVar changed_;  // order_ or state_
  Order order_ GUARDED_BY(mutex_) = Order::kPause;
  State state_ GUARDED_BY(mutex_) = State::kPaused;

  Thread thread_;  // last, so that it ends before what it uses
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_VCPU_THREAD_H_
