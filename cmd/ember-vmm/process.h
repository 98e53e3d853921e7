#ifndef EMBER_CMD_EMBER_VMM_PROCESS_H_
#define EMBER_CMD_EMBER_VMM_PROCESS_H_

#include <chrono>

#include "cmd/ember-vmm/options.h"

namespace ember {

// Runs one machine from start to end, as the options say, on the calling thread; returns what the
// process exits with. Once a process; writes what went wrong to the log.
int RunProcess(const VmmOptions& options, std::chrono::nanoseconds started);

}  // namespace ember

#endif  // EMBER_CMD_EMBER_VMM_PROCESS_H_
