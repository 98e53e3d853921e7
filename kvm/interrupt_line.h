#ifndef EMBER_KVM_INTERRUPT_LINE_H_
#define EMBER_KVM_INTERRUPT_LINE_H_

#include <memory>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "devices/interrupt_line.h"

namespace ember::kvm {

// An interrupt line over an irqfd: an eventfd whose signal KVM turns into an edge on the line.
// Closing the eventfd ends the connection.
class IrqfdLine final : public InterruptLine {
 public:
  static Result<std::unique_ptr<InterruptLine>> Create(const Fd& vm_fd, Gsi gsi);

  void Trigger() override;

 private:
  explicit IrqfdLine(Fd event_fd) : event_fd_(std::move(event_fd)) {}

  const Fd event_fd_;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_INTERRUPT_LINE_H_
