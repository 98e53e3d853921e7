#ifndef EMBER_KVM_VCPU_H_
#define EMBER_KVM_VCPU_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "kvm/exit_clock.h"
#include "kvm/run_area.h"

namespace ember::kvm {

// The number of a vCPU in its machine, from 0. The first one boots.
enum class VcpuIndex : uint32_t {};

// One virtual processor: its descriptor and the area it shares with KVM. Made by Vm::CreateVcpu().
// At any time one thread uses it, and only that thread calls Run(); RequestExit() is for any.
// Registers are read and written through fd() by kvm/<architecture>/ while it does not run.
class Vcpu {
 public:
  enum class RunResult {
    kExited,       // run_area() says why; answer it, then run again
    kInterrupted,  // a signal, an exit request, or nothing to run: look for commands, run again
  };

  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  // Runs guest code until it needs us. An answer given to the last exit takes effect first, so that
  // after kInterrupted no access is half done. Errors are the host's.
  Result<RunResult> Run();

  // Makes the Run() under way or the next ones return kInterrupted, until ClearExitRequest(). One
  // under way that is in guest code also needs a signal to its thread. Any thread.
  void RequestExit();
  void ClearExitRequest();

  // Tells the guest's clock of a pause. By the thread that uses it, while it does not run.
  Status NotePause();

  VcpuIndex index() const { return index_; }
  const RunArea& run_area() const { return run_area_; }
  const Fd& fd() const { return fd_; }
  const ExitClock& exit_clock() const { return exit_clock_; }
  // Where it stands, for a report: "rip 0x1000"; empty if unknown.
  std::string DescribePosition() const;

 private:
  friend class Vm;
  static Result<std::unique_ptr<Vcpu>> Create(VcpuIndex index, Fd fd, size_t run_area_bytes);
  Vcpu(VcpuIndex index, Fd fd, Mapping mapping);

  const VcpuIndex index_;
  const Fd fd_;
  const Mapping mapping_;
  const RunArea run_area_;  // over mapping_
  const ExitClock exit_clock_;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_VCPU_H_
