#ifndef EMBER_TESTS_FUZZ_CONFINEMENT_H_
#define EMBER_TESTS_FUZZ_CONFINEMENT_H_

#include "sandbox/thread_kind.h"

namespace ember::fuzz {

// While one lives, the calling thread, and those that it starts, may ask of the kernel what the
// thread of ember-vmm may whose work it does, and what sanitizer.policy has beside. Any other call
// ends the process with SIGABRT, which libFuzzer takes for a finding, after a line on stderr. What
// is asked for between one and the next is the fuzzer's own and passes.
//
// The first one puts on the filter for good, and starts a process that the kernel asks about each
// call that the filter does not allow; it ends with this one. All are of the same kind, and on one
// thread. Ends the process where the kernel has no such filters.
class Confinement {
 public:
  explicit Confinement(sandbox::ThreadKind kind);
  ~Confinement();
  Confinement(const Confinement&) = delete;
  Confinement& operator=(const Confinement&) = delete;
};

// Within an input: what is asked for while one lives passes.
class Pause {
 public:
  Pause();
  ~Pause();
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  const bool was_confined_;
};

// What `make` gives: for what a target makes once, with the first input that needs it.
template <typename Make>
auto MakeUnconfined(const Make& make) {
  const Pause pause;
  return make();
}

}  // namespace ember::fuzz

#endif  // EMBER_TESTS_FUZZ_CONFINEMENT_H_
