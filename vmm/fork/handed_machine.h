#ifndef EMBER_VMM_FORK_HANDED_MACHINE_H_
#define EMBER_VMM_FORK_HANDED_MACHINE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace ember::vmm {

// What a forked machine is handed to a waiting process as: open files, in this order. Nobody can
// write to them any more. docs/fork.md.
struct HandedMachine {
  Fd state;                          // as a snapshot's state file
  std::shared_ptr<const Fd> memory;  // as a snapshot's memory file; the machine has it too

  std::vector<int> descriptors() const { return {state.get(), memory->get()}; }
};

// The machine of these descriptors, which may be of anything; an error where they are not as many.
// Any thread.
Result<HandedMachine> TakeHandedMachine(std::vector<Fd> descriptors);
// An error where somebody could still shorten a file or write to it. What is in them is for their
// readers to check. Any thread.
Status CheckSealed(const HandedMachine& machine);

// A file of its own, in memory, that holds the bytes and is sealed: for HandedMachine::state.
Result<Fd> SealedFile(std::span<const std::byte> bytes);
// The same of whatever `fill` writes into it.
Result<Fd> SealedFile(const char* name, const std::function<Status(const Fd& file)>& fill);

}  // namespace ember::vmm

#endif  // EMBER_VMM_FORK_HANDED_MACHINE_H_
