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

EndCause CauseOf(kvm::StopReason reason) {
  switch (reason) {
    case kvm::StopReason::kGuestShutdown:
      return EndCause::kPowerOff;
    case kvm::StopReason::kGuestReset:
      return EndCause::kReboot;
    case kvm::StopReason::kGuestCrash:
      return EndCause::kPanic;
    case kvm::StopReason::kTripleFault:
      return EndCause::kTripleFault;
    default:
      return EndCause::kFailure;
  }
}

}  // namespace

MachineEnd EndOf(VmRequest request) {
  switch (request) {
    case VmRequest::kPowerOff:
      return {ExitCode::kOk, "the guest powered off", EndCause::kPowerOff};
    case VmRequest::kReset:
      return {ExitCode::kOk, "the guest rebooted", EndCause::kReboot};
    case VmRequest::kGuestPanicked:
      return {ExitCode::kGuestPanic, "the guest's kernel panicked", EndCause::kPanic};
    case VmRequest::kGuestCrashLoaded:
      break;
  }
  return {ExitCode::kGuestPanic, "the guest's kernel crashed and started its crash kernel",
          EndCause::kPanic};
}

MachineEnd EndOf(const kvm::ExitReport& report) {
  return {CodeOf(report.reason), Concat(kvm::Name(report.reason), ": ", report.details),
          CauseOf(report.reason)};
}

}  // namespace ember::vmm
