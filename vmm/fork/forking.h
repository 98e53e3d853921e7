#ifndef EMBER_VMM_FORK_FORKING_H_
#define EMBER_VMM_FORK_FORKING_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "vmm/fork/fork_json.h"
#include "vmm/fork/fork_request.h"
#include "vmm/fork/hand_over.h"
#include "vmm/fork/handed_machine.h"

namespace ember::vmm {

// What clones are made of, and for how long the machine did not run.
struct FrozenMachine {
  HandedMachine machine;
  std::chrono::nanoseconds pause{0};
};

// A fork from its request to its answer: page tables are thinned while the guest runs, the machine
// is frozen, all clones are handed it at once and have until the request's limit of time to answer.
// In steps, between which the loop does whatever else there is. Destroyed before its end it answers
// nobody. Loop thread. docs/fork.md.
class Forking {
 public:
  // As Machine has them, for a machine that may be gone by then.
  struct Steps {
    std::function<std::optional<uint64_t>(uint64_t offset_bytes)> forget_page_tables;
    std::function<Result<FrozenMachine>()> freeze;
  };
  struct Outcome {
    size_t clones = 0;   // that are there
    std::string answer;  // for the client
  };
  // Called once, and may destroy this. An error: there was no fork.
  using Done = std::function<void(const Result<Outcome>& outcome)>;

  // The loop must outlive it.
  Forking(EventLoop& loop, ForkRequest request, Steps steps, Done done);

  // Once.
  void Begin();

 private:
  void Post(std::function<void()> step);
  void Thin(uint64_t offset_bytes, int passes_left);
  void Freeze();
  Status HandOverAll();
  void Note(size_t clone, const Status& outcome);
  void GiveUpWaiting();
  void Finish(const Result<Outcome>& outcome);
  Outcome ToOutcome() const;

  EventLoop& loop_;
  const ForkRequest request_;
  const Steps steps_;
  Done done_;
  std::chrono::nanoseconds began_{0};
  ForkTimes times_;
  FrozenMachine frozen_;
  std::vector<std::optional<Status>> outcomes_;  // of the clones; none: it has not answered
  std::optional<EventLoop::Watch> timer_;
  std::vector<std::unique_ptr<HandOver>> hand_overs_;  // use what is above
  // Gone with this: what is posted to the loop then does nothing.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_FORK_FORKING_H_
