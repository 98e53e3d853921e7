#ifndef EMBER_KVM_INTERRUPT_LINE_H_
#define EMBER_KVM_INTERRUPT_LINE_H_

#include <memory>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "devices/interrupt_line.h"
#include "kvm/interrupt_metrics.h"

namespace ember::kvm {

// An interrupt line over an irqfd: an eventfd whose signal KVM turns into an edge on the line.
// Closing the eventfd ends the connection.
class IrqfdLine final : public InterruptLine {
 public:
  // `metrics` must outlive the line.
  static Result<std::unique_ptr<InterruptLine>> Create(const Fd& vm_fd, Gsi gsi,
                                                       InterruptMetrics& metrics);

  void Trigger() override;

 private:
  IrqfdLine(Fd event_fd, InterruptMetrics& metrics)
      : event_fd_(std::move(event_fd)), metrics_(metrics) {}

  const Fd event_fd_;
  InterruptMetrics& metrics_;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_INTERRUPT_LINE_H_
