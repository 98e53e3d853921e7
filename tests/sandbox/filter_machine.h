#ifndef EMBER_TESTS_SANDBOX_FILTER_MACHINE_H_
#define EMBER_TESTS_SANDBOX_FILTER_MACHINE_H_

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "sandbox/filter_set.h"

namespace ember::sandbox {

// A system call, as a filter sees it.
struct SystemCall {
  std::string name;
  std::array<uint64_t, 6> arguments{};
};

enum class Verdict { kAllow, kTrap, kError, kKill, kBroken };

// What `filter` says to the call, by a machine of the test's own for the instructions that
// libseccomp uses.
Verdict Judge(std::span<const sock_filter> filter, const SystemCall& call);
// The same for a call by number, in the way of the processor `audit_architecture`.
Verdict JudgeNumber(std::span<const sock_filter> filter, uint32_t number,
                    uint32_t audit_architecture, const std::array<uint64_t, 6>& arguments = {});

// What the tree's policy compiles to.
const OwnedFilters& CompiledPolicy();

}  // namespace ember::sandbox

#endif  // EMBER_TESTS_SANDBOX_FILTER_MACHINE_H_
