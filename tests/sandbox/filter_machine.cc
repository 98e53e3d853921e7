#include "tests/sandbox/filter_machine.h"

#include <gtest/gtest.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <cstddef>
#include <cstring>

#include "sandbox/audit_architecture.h"
#include "sandbox/policy/compiler.h"
#include "tests/sandbox/policy_text.h"

namespace ember::sandbox {
namespace {

Verdict VerdictOf(uint32_t action) {
  switch (action & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
      return Verdict::kAllow;
    case SECCOMP_RET_TRAP:
      return Verdict::kTrap;
    case SECCOMP_RET_ERRNO:
      return Verdict::kError;
    case SECCOMP_RET_KILL_PROCESS:
      return Verdict::kKill;
    default:
      return Verdict::kBroken;
  }
}

bool Holds(const sock_filter& jump, uint32_t accumulator) {
  switch (BPF_OP(jump.code)) {
    case BPF_JEQ:
      return accumulator == jump.k;
    case BPF_JGT:
      return accumulator > jump.k;
    case BPF_JGE:
      return accumulator >= jump.k;
    default:
      return (accumulator & jump.k) != 0;
  }
}

Verdict Run(std::span<const sock_filter> filter, const seccomp_data& data) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < filter.size(); ++at) {
    const sock_filter& step = filter[at];
    switch (BPF_CLASS(step.code)) {
      case BPF_LD:
        if (step.k + sizeof(accumulator) > sizeof(data)) return Verdict::kBroken;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k,
                    sizeof(accumulator));
        break;
      case BPF_ALU:
        if (BPF_OP(step.code) != BPF_AND) return Verdict::kBroken;
        accumulator &= step.k;
        break;
      case BPF_JMP:
        at += BPF_OP(step.code) == BPF_JA ? step.k : Holds(step, accumulator) ? step.jt : step.jf;
        break;
      case BPF_RET:
        return VerdictOf(step.k);
      default:
        return Verdict::kBroken;
    }
  }
  return Verdict::kBroken;
}

}  // namespace

Verdict Judge(std::span<const sock_filter> filter, const SystemCall& call) {
  const int number = ::seccomp_syscall_resolve_name(call.name.c_str());
  EXPECT_GE(number, 0) << call.name;
  return JudgeNumber(filter, static_cast<uint32_t>(number), kAuditArchitecture, call.arguments);
}

Verdict JudgeNumber(std::span<const sock_filter> filter, uint32_t number,
                    uint32_t audit_architecture, const std::array<uint64_t, 6>& arguments) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = audit_architecture;
  for (size_t i = 0; i < arguments.size(); ++i) data.args[i] = arguments[i];
  return Run(filter, data);
}

const OwnedFilters& CompiledPolicy() {
  static const OwnedFilters filters = CompilePolicy(ParsePolicy(PolicyText()).value()).value();
  return filters;
}

}  // namespace ember::sandbox
