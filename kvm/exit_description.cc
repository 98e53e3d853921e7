#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/concat.h"
#include "kvm/exit_dispatch.h"
#include "kvm/stop_reason.h"

namespace ember::kvm {
namespace {

std::string_view InternalErrorName(uint32_t suberror) {
  switch (suberror) {
    case KVM_INTERNAL_ERROR_EMULATION:
      return "an instruction it cannot emulate";
    case KVM_INTERNAL_ERROR_SIMUL_EX:
      return "simultaneous exceptions";
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
      return "an exit while it delivered an event";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
      return "an exit reason of the processor that it does not know";
    default:
      return "an error that this version does not know";
  }
}

// The first bytes of what could not be emulated: " (bytes 0f 01 d0)", where KVM tells them.
std::string InstructionBytes(const kvm_run& run) {
  const auto& failure = run.emulation_failure;
  const bool told = failure.ndata >= 1 &&
                    (failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0;
  if (!told) return {};
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = " (bytes";
  const size_t size = std::min<size_t>(failure.insn_size, sizeof(failure.insn_bytes));
  for (const uint8_t byte : std::span(failure.insn_bytes).first(size)) {
    text += ' ';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text + ')';
}

std::string DescribeInternalError(const kvm_run& run) {
  const uint32_t suberror = run.internal.suberror;
  std::string text = Concat("KVM met ", InternalErrorName(suberror), ", suberror ", suberror);
  if (suberror == KVM_INTERNAL_ERROR_EMULATION) return text + InstructionBytes(run);
  const size_t count = std::min<size_t>(run.internal.ndata, std::size(run.internal.data));
  for (const uint64_t word : std::span(run.internal.data).first(count)) {
    text += Concat(' ', Hex{word});
  }
  return text;
}

std::string DescribeHostFailure(const kvm_run& run) {
  if (run.exit_reason == KVM_EXIT_MMIO) {
    return Concat("KVM reported an MMIO access of ", run.mmio.len, " bytes at ",
                  Hex{run.mmio.phys_addr});
  }
  return Concat("KVM reported ", run.io.count, " port accesses of ", int{run.io.size},
                " bytes at port ", Hex{run.io.port}, " with their data at offset ",
                run.io.data_offset);
}

}  // namespace

std::string_view Name(StopReason reason) {
  switch (reason) {
    case StopReason::kHalt:
      return "halt";
    case StopReason::kTripleFault:
      return "triple fault";
    case StopReason::kGuestShutdown:
      return "guest shutdown";
    case StopReason::kGuestReset:
      return "guest reset";
    case StopReason::kGuestCrash:
      return "guest crash";
    case StopReason::kInternalError:
      return "KVM internal error";
    case StopReason::kEntryFailure:
      return "guest entry failure";
    case StopReason::kUnexpectedExit:
      return "unexpected exit";
    case StopReason::kHostFailure:
      return "host failure";
  }
  return "unknown";
}

std::string DescribeStop(const RunArea& area, StopReason reason) {
  const kvm_run& run = area.header();
  switch (reason) {
    case StopReason::kHalt:
      return "the vCPU halted with no interrupt controller to wake it";
    case StopReason::kTripleFault:
      return "the vCPU faulted while it handled a double fault";
    case StopReason::kGuestShutdown:
    case StopReason::kGuestReset:
    case StopReason::kGuestCrash:
      return Concat("the guest raised system event ", run.system_event.type);
    case StopReason::kInternalError:
      return DescribeInternalError(run);
    case StopReason::kEntryFailure:
      return Concat("the processor refused to enter the guest, hardware reason ",
                    Hex{run.fail_entry.hardware_entry_failure_reason});
    case StopReason::kUnexpectedExit:
      return run.exit_reason == KVM_EXIT_UNKNOWN
                 ? Concat("exit for a hardware reason unknown to KVM, ",
                          Hex{run.hw.hardware_exit_reason})
                 : Concat("exit reason ", run.exit_reason);
    case StopReason::kHostFailure:
      return DescribeHostFailure(run);
  }
  return {};
}

}  // namespace ember::kvm
