#include "vmm/machine_end.h"

#include "base/concat.h"

namespace ember::vmm {
namespace {

ExitCode CodeOf(kvm::StopReason reason) {
  switch (reason) {
    case kvm::StopReason::kGuestShutdown:
    case kvm::StopReason::kGuestReset:
      return ExitCode::kOk;
    case kvm::StopReason::kGuestCrash:
      return ExitCode::kGuestPanic;
    case kvm::StopReason::kTripleFault:
      return ExitCode::kTripleFault;
    case kvm::StopReason::kInternalError:
      return ExitCode::kInternalError;
    case kvm::StopReason::kEntryFailure:
      return ExitCode::kEntryFailure;
    case kvm::StopReason::kHostFailure:
      return ExitCode::kGenericError;
    case kvm::StopReason::kHalt:
    case kvm::StopReason::kUnexpectedExit:
      break;
  }
  return ExitCode::kUnexpectedExit;
}

}  // namespace

MachineEnd EndOf(VmRequest request) {
  switch (request) {
    case VmRequest::kPowerOff:
      return {ExitCode::kOk, "the guest powered off"};
    case VmRequest::kReset:
      return {ExitCode::kOk, "the guest rebooted"};
    case VmRequest::kGuestPanicked:
      return {ExitCode::kGuestPanic, "the guest's kernel panicked"};
    case VmRequest::kGuestCrashLoaded:
      break;
  }
  return {ExitCode::kGuestPanic, "the guest's kernel crashed and started its crash kernel"};
}

MachineEnd EndOf(const kvm::ExitReport& report) {
  return {CodeOf(report.reason), Concat(kvm::Name(report.reason), ": ", report.details)};
}

}  // namespace ember::vmm
