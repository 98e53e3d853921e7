#include "sandbox/policy/decision_graph.h"

#include <linux/bpf_common.h>

#include <tuple>

#include "base/concat.h"

namespace ember::sandbox {
namespace {

using Id = DecisionGraph::Id;

// Reads it from an instruction on, with a field in the accumulator. All jumps go forward, so this
// ends.
class Reader {
 public:
  Reader(std::span<const sock_filter> filter, DecisionGraph& graph)
      : filter_(filter), graph_(graph) {}

  Result<Id> From(size_t at, Field field) {
    const auto known = read_.find({at, field});
    if (known != read_.end()) return known->second;
    const Id id = TRY(Read(at, field));
    read_.emplace(std::tuple(at, field), id);
    return id;
  }

 private:
  Result<Id> Read(size_t at, Field field) {
    if (at >= filter_.size()) return Error("a filter without an answer at its end");
    const sock_filter& step = filter_[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        return From(at + 1, {.offset_bytes = step.k, .mask = ~uint32_t{0}});
      case BPF_ALU | BPF_AND | BPF_K:
        return From(at + 1, {.offset_bytes = field.offset_bytes, .mask = field.mask & step.k});
      case BPF_RET | BPF_K:
        return graph_.Answer(step.k);
      case BPF_JMP | BPF_JA:
        return From(at + 1 + step.k, field);
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_K: {
        const Id holds = TRY(From(at + 1 + step.jt, field));
        const Id fails = TRY(From(at + 1 + step.jf, field));
        const Test test{.field = field,
                        .comparison = static_cast<uint16_t>(BPF_OP(step.code)),
                        .value = step.k};
        return graph_.Decide(test, holds, fails);
      }
      default:
        return Error(Concat("a filter with the instruction ", Hex{step.code}));
    }
  }

  std::span<const sock_filter> filter_;
  DecisionGraph& graph_;
  std::map<std::tuple<size_t, Field>, Id> read_;
};

}  // namespace

bool Holds(const Test& test, uint32_t field) {
  switch (test.comparison) {
    case BPF_JEQ:
      return field == test.value;
    case BPF_JGT:
      return field > test.value;
    case BPF_JGE:
      return field >= test.value;
    default:
      return (field & test.value) != 0;
  }
}

Id DecisionGraph::Answer(uint32_t answer) { return Keep({.is_answer = true, .answer = answer}); }

Id DecisionGraph::Decide(const Test& test, Id holds, Id fails) {
  if (holds == fails) return holds;
  if (test.field.mask == 0) return Holds(test, 0) ? holds : fails;
  return Keep({.test = test, .holds = holds, .fails = fails});
}

Id DecisionGraph::Keep(const Decision& decision) {
  const auto [place, is_new] = ids_.try_emplace(decision, decisions_.size());
  if (is_new) decisions_.push_back(decision);
  return place->second;
}

Result<Id> ReadFilter(std::span<const sock_filter> filter, DecisionGraph& graph) {
  return Reader(filter, graph).From(0, {});
}

}  // namespace ember::sandbox
