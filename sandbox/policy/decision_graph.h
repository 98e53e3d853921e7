#ifndef EMBER_SANDBOX_POLICY_DECISION_GRAPH_H_
#define EMBER_SANDBOX_POLICY_DECISION_GRAPH_H_

#include <linux/filter.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/result.h"

// A filter as what it decides: tests of a system call's data, each with two that may follow, and
// answers at the ends. Pure; any thread.
namespace ember::sandbox {

// Bits of 32 that a test looks at, and where in struct seccomp_data they are.
struct Field {
  uint32_t offset_bytes = 0;
  uint32_t mask = 0;

  friend auto operator<=>(const Field&, const Field&) = default;
};

// Whether the field is equal to (BPF_JEQ), greater than (BPF_JGT), at least (BPF_JGE) `value`, or
// shares a bit with it (BPF_JSET).
struct Test {
  Field field;
  uint16_t comparison = BPF_JEQ;
  uint32_t value = 0;

  friend auto operator<=>(const Test&, const Test&) = default;
};

bool Holds(const Test& test, uint32_t field);

// Equal decisions are one, so that comparing two of them compares all that follows.
class DecisionGraph {
 public:
  using Id = size_t;
  struct Decision {
    bool is_answer = false;
    uint32_t answer = 0;  // SECCOMP_RET_*
    Test test;            // and the rest where it is none
    Id holds = 0;
    Id fails = 0;

    friend auto operator<=>(const Decision&, const Decision&) = default;
  };

  const Decision& operator[](Id id) const { return decisions_[id]; }
  Id Answer(uint32_t answer);
  // No test where both ways lead to the same, or where it looks at no bit.
  Id Decide(const Test& test, Id holds, Id fails);

 private:
  Id Keep(const Decision& decision);

  std::vector<Decision> decisions_;
  std::map<Decision, Id> ids_;
};

// What the filter, one of libseccomp's, begins with, in `graph`. Errors: an instruction that those
// do not have.
Result<DecisionGraph::Id> ReadFilter(std::span<const sock_filter> filter, DecisionGraph& graph);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_POLICY_DECISION_GRAPH_H_
