#ifndef EMBER_SANDBOX_POLICY_POLICY_H_
#define EMBER_SANDBOX_POLICY_POLICY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sandbox/thread_kind.h"

// What each thread may ask of the kernel, as a text that people read and change:
// x86_64/threads.policy.
//
//   group clocks                                  # words that threads use
//     clock_gettime
//   thread vcpu at most 20                        # system calls
//     use clocks
//     mmap   arg2 without PROT_EXEC
//     ioctl  arg1 in KVM_RUN KVM_KVMCLOCK_CTRL
//     clone3 fails ENOSYS                         # denied, but survived
//
// A line allows a call: always, or where all its conditions (joined by "and") hold. Several lines
// for a call are alternatives. Arguments are compared in their lower 32 bits, which is what the
// kernel looks at of those that are worth a condition. OWN_PROCESS is the number of the process
// that puts the filter on. Everything else is trapped.
namespace ember::sandbox {

// One argument is one of the values, or has none of the bits.
struct Condition {
  enum class Kind : uint8_t { kIn, kWithout };

  unsigned argument = 0;
  Kind kind = Kind::kIn;
  std::vector<uint32_t> values;  // kWithout: one, the bits

  friend bool operator==(const Condition&, const Condition&) = default;
};

struct Rule {
  std::string call;
  std::vector<Condition> conditions;
  int error_number = 0;  // not 0: the call fails so, and the thread goes on

  friend bool operator==(const Rule&, const Rule&) = default;
};

struct ThreadPolicy {
  size_t at_most = 0;  // calls
  std::vector<Rule> rules;
};

using Policy = std::array<ThreadPolicy, kThreadKinds>;

// The calls that the thread may make, each once, sorted.
std::vector<std::string> AllowedCalls(const ThreadPolicy& thread);

// Reads a policy. Errors name the line: unknown words and constants, a thread that is missing or
// there twice, more calls than the thread may have, a call that is both allowed and refused.
Result<Policy> ParsePolicy(std::string_view text);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_POLICY_POLICY_H_
