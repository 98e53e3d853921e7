#include "kvm/interrupt_line.h"

#include <linux/kvm.h>
#include <unistd.h>

#include <cstdint>

#include "base/concat.h"
#include "kvm/arch.h"
#include "kvm/ioctl.h"

namespace ember::kvm {

Result<std::unique_ptr<InterruptLine>> IrqfdLine::Create(const Fd& vm_fd, Gsi gsi,
                                                         InterruptMetrics& metrics) {
  const auto number = static_cast<uint32_t>(gsi);
  // KVM takes any number, and signals of one that no controller has go nowhere.
  if (number >= arch::InterruptLineCount()) {
    return Error(Concat("interrupt line ", number, " is not one of the machine's ",
                        arch::InterruptLineCount()));
  }
  Fd event_fd = TRY(CreateEventFd());
  kvm_irqfd request{};
  request.fd = static_cast<uint32_t>(event_fd.get());
  request.gsi = number;
  TRY_CONTEXT(Ioctl(vm_fd, KVM_IRQFD, "KVM_IRQFD", &request), Concat("interrupt line ", number));
  metrics.config_updates.Add();
  return std::unique_ptr<InterruptLine>(new IrqfdLine(std::move(event_fd), metrics));
}

void IrqfdLine::Trigger() {
  metrics_.triggers.Add();
  const uint64_t one = 1;
  // It fails only where 2^64 - 2 edges wait unserved, and then one more would change nothing.
  [[maybe_unused]] const ssize_t written = ::write(event_fd_.get(), &one, sizeof(one));
}

}  // namespace ember::kvm
