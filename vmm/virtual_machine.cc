#include "vmm/virtual_machine.h"

#include <utility>

#include "base/concat.h"
#include "base/log.h"

namespace ember::vmm {

VirtualMachine::~VirtualMachine() { host_.vitals.SetGuestMemory({}); }

Status VirtualMachine::Pause() {
  for (const auto& vcpu : vcpus_) vcpu->RequestPause();
  for (const auto& vcpu : vcpus_) vcpu->WaitUntilPaused();
  return {};
}

Status VirtualMachine::Resume() {
  ending_.store(false, std::memory_order_relaxed);
  for (const auto& vcpu : vcpus_) vcpu->Resume();
  return {};
}

Status VirtualMachine::SendCtrlAltDel() { return board_->SendCtrlAltDel(); }

void VirtualMachine::PressPowerButton() { board_->PressPowerButton(); }

Result<Reply> VirtualMachine::Perform(const DeviceAction& action) {
  return devices_->Perform(action, config_);
}

MachineMetrics VirtualMachine::metrics() const {
  MachineMetrics metrics;
  devices_->AddTo(metrics);
  for (const auto& vcpu : vcpus_) {
    metrics.vcpus.push_back({.id = vcpu->id(), .metrics = &vcpu->metrics()});
  }
  metrics.interrupts = {{.id = {}, .metrics = &vm_->interrupt_metrics()}};
  const BoardMetrics board = board_->metrics();
  if (board.keyboard != nullptr) metrics.keyboard = {{.id = {}, .metrics = board.keyboard}};
  if (board.uart != nullptr) metrics.uart = {{.id = {}, .metrics = board.uart}};
  if (board.panic_report != nullptr) {
    metrics.panic_report = {{.id = {}, .metrics = board.panic_report}};
  }
  return metrics;
}

void VirtualMachine::Request(VmRequest request) {
  if (request == VmRequest::kGuestCrashLoaded) {
    EMBER_LOG_LIMITED(kWarning, "the guest's kernel crashed; its crash kernel takes over");
    host_.journal.AppendLimited("guest_crash_kernel");
    return;
  }
  if (ending_.load(std::memory_order_relaxed)) return;
  PostEnd(EndOf(request));
}

void VirtualMachine::OnVcpuEnd(kvm::VcpuIndex index, const kvm::ExitReport& report) {
  MachineEnd end = EndOf(report);
  end.reason = Concat("vCPU ", static_cast<uint32_t>(index), " ended: ", end.reason);
  PostEnd(std::move(end));
}

void VirtualMachine::PostEnd(MachineEnd end) {
  // Relaxed: it only keeps the later ones out; the task carries what the first one says.
  if (ending_.exchange(true, std::memory_order_relaxed)) return;
  host_.loop.Post([this, alive = std::weak_ptr(alive_), end = std::move(end)] {
    if (!alive.expired()) End(end);
  });
}

void VirtualMachine::End(const MachineEnd& end) {
  for (const auto& vcpu : vcpus_) vcpu->RequestPause();
  for (const auto& vcpu : vcpus_) vcpu->WaitUntilPaused();
  board_->DrainConsole();
  host_.on_end(end);
}

}  // namespace ember::vmm
