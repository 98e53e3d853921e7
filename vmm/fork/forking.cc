#include "vmm/fork/forking.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/concat.h"

namespace ember::vmm {
namespace {

// What a guest touches while page tables are thinned comes back. The second pass is through what
// came back during the first, which takes a fifteenth of its time with the busiest of guests, and
// leaves less than a fifth of a millisecond for the pause (docs/fork.md).
constexpr int kPasses = 2;

}  // namespace

Forking::Forking(EventLoop& loop, ForkRequest request, Steps steps, Done done)
    : loop_(loop),
      request_(std::move(request)),
      steps_(std::move(steps)),
      done_(std::move(done)),
      outcomes_(request_.clones.size()) {}

void Forking::Begin() {
  began_ = MonotonicClock().Now();
  Post([this] { Thin(0, kPasses); });
}

void Forking::Post(std::function<void()> step) {
  loop_.Post([alive = std::weak_ptr(alive_), step = std::move(step)] {
    if (!alive.expired()) step();
  });
}

void Forking::Thin(uint64_t offset_bytes, int passes_left) {
  if (const std::optional<uint64_t> next = steps_.forget_page_tables(offset_bytes)) {
    return Post([this, next = *next, passes_left] { Thin(next, passes_left); });
  }
  if (passes_left > 1) return Post([this, passes_left] { Thin(0, passes_left - 1); });
  Freeze();
}

void Forking::Freeze() {
  times_.preparation = MonotonicClock().Now() - began_;
  Result<FrozenMachine> frozen = steps_.freeze();
  if (!frozen) return Finish(std::move(frozen).error());
  frozen_ = *std::move(frozen);
  times_.pause = frozen_.pause;
  if (Status begun = HandOverAll(); !begun) Finish(std::move(begun).error());
}

Status Forking::HandOverAll() {
  timer_.emplace(TRY(loop_.CallAfter(request_.timeout, [this] { GiveUpWaiting(); })));
  for (size_t i = 0; i < request_.clones.size(); ++i) {
    const ForkClone& clone = request_.clones[i];
    hand_overs_.push_back(HandOver::Begin(loop_,
                                          {.socket_path = clone.socket_path,
                                           .body = clone.body,
                                           .descriptors = frozen_.machine.descriptors()},
                                          [this, i](const Status& outcome) { Note(i, outcome); }));
  }
  return {};
}

void Forking::Note(size_t clone, const Status& outcome) {
  outcomes_[clone] = outcome;
  const bool all =
      std::ranges::all_of(outcomes_, [](const auto& known) { return known.has_value(); });
  if (all) Finish(ToOutcome());
}

void Forking::GiveUpWaiting() {
  for (std::optional<Status>& outcome : outcomes_) {
    if (outcome) continue;
    outcome = Error(Concat("it did not answer within ", request_.timeout.count(), " ms"));
  }
  Finish(ToOutcome());
}

void Forking::Finish(const Result<Outcome>& outcome) {
  const Done done = std::exchange(done_, {});
  if (done) done(outcome);
}

Forking::Outcome Forking::ToOutcome() const {
  std::vector<CloneOutcome> clones;
  size_t there = 0;
  for (size_t i = 0; i < outcomes_.size(); ++i) {
    if (outcomes_[i]->has_value()) ++there;
    clones.push_back({.socket_path = request_.clones[i].socket_path, .status = *outcomes_[i]});
  }
  return {.clones = there, .answer = ForkAnswer(times_, clones)};
}

}  // namespace ember::vmm
