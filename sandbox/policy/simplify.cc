#include "sandbox/policy/simplify.h"

#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>

#include "sandbox/policy/decision_graph.h"

namespace ember::sandbox {
namespace {

using Id = DecisionGraph::Id;

constexpr Field kNumber{.offset_bytes = offsetof(seccomp_data, nr), .mask = ~uint32_t{0}};

bool TestsNumber(const DecisionGraph::Decision& decision) {
  return !decision.is_answer && decision.test.field == kNumber;
}

// Numbers of calls from `begin` to before `end`, and what follows for them.
struct Interval {
  uint64_t begin;
  uint64_t end;
  Id then;
};

// So many numbers by themselves are looked for one after the other: halves need more instructions.
constexpr size_t kInARow = 4;

// System calls have numbers up to this, or a few more. What an interval counts beside its numbers.
constexpr uint64_t kNumbers = 470;
constexpr uint64_t kAtLeast = 8;

// Where numbers are looked for one after the other, or in another tree: a tree of our own.
class NumberTree {
 public:
  explicit NumberTree(DecisionGraph& graph) : graph_(graph) {}

  Id Balance(Id id) {
    const DecisionGraph::Decision decision = graph_[id];
    if (decision.is_answer) return id;
    if (!TestsNumber(decision)) {  // of the processor's architecture, or of an argument
      return graph_.Decide(decision.test, Balance(decision.holds), Balance(decision.fails));
    }
    return Build(IntervalsOf(id));
  }

 private:
  void FindBoundaries(Id id, std::set<uint32_t>& boundaries, std::set<Id>& seen) const {
    const DecisionGraph::Decision& decision = graph_[id];
    if (!TestsNumber(decision) || !seen.insert(id).second) return;
    const Test& test = decision.test;
    if (test.comparison != BPF_JGT) boundaries.insert(test.value);
    if (test.comparison != BPF_JGE && test.value != ~uint32_t{0}) boundaries.insert(test.value + 1);
    FindBoundaries(decision.holds, boundaries, seen);
    FindBoundaries(decision.fails, boundaries, seen);
  }

  Id Follow(Id id, uint32_t number) const {
    while (TestsNumber(graph_[id])) {
      id = Holds(graph_[id].test, number) ? graph_[id].holds : graph_[id].fails;
    }
    return id;
  }

  std::vector<Interval> IntervalsOf(Id id) const {
    std::set<uint32_t> boundaries = {0};
    std::set<Id> seen;
    FindBoundaries(id, boundaries, seen);
    std::vector<Interval> intervals;
    for (const uint32_t begin : boundaries) {
      const Id then = Follow(id, begin);
      if (!intervals.empty() && intervals.back().then == then) continue;
      if (!intervals.empty()) intervals.back().end = begin;
      intervals.push_back({.begin = begin, .end = uint64_t{1} << 32, .then = then});
    }
    return intervals;
  }

  Id Build(std::span<const Interval> intervals) {
    if (intervals.size() == 1) return intervals.front().then;
    for (const Id other : {intervals[0].then, intervals[1].then}) {
      if (AreFewNumbers(intervals, other)) return BuildRow(intervals, other);
    }
    const size_t half = Half(intervals);
    const Id from_half = Build(intervals.subspan(half));
    const Id below = Build(intervals.first(half));
    return graph_.Decide(NumberTest(BPF_JGE, intervals[half].begin), from_half, below);
  }

  // Where to begin the second half: each has as many numbers that there are, for the kernel tries
  // them all, but no number is far from the root.
  static size_t Half(std::span<const Interval> intervals) {
    const auto weight = [](const Interval& interval) {
      return std::min(interval.end, kNumbers) - std::min(interval.begin, kNumbers) + kAtLeast;
    };
    uint64_t after = 0;
    for (const Interval& interval : intervals) after += weight(interval);
    uint64_t before = weight(intervals[0]);
    size_t half = 1;
    after -= before;
    while (half + 1 < intervals.size() && before + weight(intervals[half]) <= after) {
      before += weight(intervals[half]);
      after -= weight(intervals[half++]);
    }
    return half;
  }

  // Whether all is `other` but some numbers by themselves.
  static bool AreFewNumbers(std::span<const Interval> intervals, Id other) {
    size_t count = 0;
    for (const Interval& interval : intervals) {
      if (interval.then == other) continue;
      if (interval.end - interval.begin > 1 || ++count > kInARow) return false;
    }
    return true;
  }

  Id BuildRow(std::span<const Interval> intervals, Id other) {
    Id row = other;
    for (const Interval& interval : intervals) {
      if (interval.then == other) continue;
      row = graph_.Decide(NumberTest(BPF_JEQ, interval.begin), interval.then, row);
    }
    return row;
  }

  static Test NumberTest(uint16_t comparison, uint64_t number) {
    return {.field = kNumber, .comparison = comparison, .value = static_cast<uint32_t>(number)};
  }

  DecisionGraph& graph_;
};

// From its end, so that where a jump goes is known when it is written.
class Writer {
 public:
  explicit Writer(const DecisionGraph& graph) : graph_(graph) {}

  std::vector<sock_filter> Write(Id first) {
    FindLoads(first, {});
    Place(first);
    return {backwards_.rbegin(), backwards_.rend()};
  }

 private:
  // Places count from the filter's end.
  struct Placed {
    size_t whole = 0;  // with what loads the field
    size_t test = 0;
  };

  // With another field, or none, in the accumulator it has to load its own.
  void FindLoads(Id id, Field loaded) {
    const DecisionGraph::Decision& decision = graph_[id];
    if (decision.is_answer) return;
    if (loaded != decision.test.field) loads_.insert(id);
    if (!looked_at_.insert(id).second) return;
    FindLoads(decision.holds, decision.test.field);
    FindLoads(decision.fails, decision.test.field);
  }

  void Place(Id id) {
    if (placed_.contains(id)) return;
    const DecisionGraph::Decision& decision = graph_[id];
    if (decision.is_answer) {
      const size_t at = Add(BPF_RET | BPF_K, decision.answer);
      placed_[id] = {.whole = at, .test = at};
      return;
    }
    // What is placed last follows the test without a jump.
    const bool holds_first = graph_[decision.holds].is_answer || placed_.contains(decision.holds);
    Place(holds_first ? decision.holds : decision.fails);
    Place(holds_first ? decision.fails : decision.holds);
    placed_[id] = PlaceTest(id);
  }

  Placed PlaceTest(Id id) {
    const DecisionGraph::Decision& decision = graph_[id];
    const size_t holds = Near(Entry(decision.holds, decision.test.field));
    const size_t fails = Near(Entry(decision.fails, decision.test.field));
    const size_t test = Add(static_cast<uint16_t>(BPF_JMP | decision.test.comparison | BPF_K),
                            decision.test.value, Distance(holds), Distance(fails));
    if (!loads_.contains(id)) return {.whole = test, .test = test};
    const Field& field = decision.test.field;
    if (field.mask != ~uint32_t{0}) Add(BPF_ALU | BPF_AND | BPF_K, field.mask);
    return {.whole = Add(BPF_LD | BPF_W | BPF_ABS, field.offset_bytes), .test = test};
  }

  size_t Entry(Id id, const Field& loaded) const {
    const Placed& placed = placed_.at(id);
    const DecisionGraph::Decision& decision = graph_[id];
    return !decision.is_answer && decision.test.field == loaded ? placed.test : placed.whole;
  }

  // A test jumps 255 instructions at most. One more may come between, and the test itself.
  size_t Near(size_t place) {
    constexpr size_t kNear = 254;
    if (backwards_.size() - 1 - place <= kNear) return place;
    return Add(BPF_JMP | BPF_JA, static_cast<uint32_t>(backwards_.size() - 1 - place));
  }

  uint8_t Distance(size_t place) const {
    return static_cast<uint8_t>(backwards_.size() - 1 - place);
  }

  size_t Add(uint16_t code, uint32_t value, uint8_t holds = 0, uint8_t fails = 0) {
    backwards_.push_back({.code = code, .jt = holds, .jf = fails, .k = value});
    return backwards_.size() - 1;
  }

  const DecisionGraph& graph_;
  std::set<Id> looked_at_;
  std::set<Id> loads_;
  std::map<Id, Placed> placed_;
  std::vector<sock_filter> backwards_;
};

}  // namespace

Result<std::vector<sock_filter>> Simplify(std::span<const sock_filter> filter) {
  DecisionGraph graph;
  const Id first = TRY(ReadFilter(filter, graph));
  return Writer(graph).Write(NumberTree(graph).Balance(first));
}

}  // namespace ember::sandbox
