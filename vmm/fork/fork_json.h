#ifndef EMBER_VMM_FORK_FORK_JSON_H_
#define EMBER_VMM_FORK_FORK_JSON_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/fork/fork_request.h"

// Forks as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

// What clients ask of a machine that is to be forked.
Result<ForkRequest> ReadFork(const JsonValue& json);

// What became of a clone.
struct CloneOutcome {
  std::string socket_path;
  Status status;
};
// How long it took: while the machine ran, and while it did not.
struct ForkTimes {
  std::chrono::nanoseconds preparation{0};
  std::chrono::nanoseconds pause{0};
};
// The answer.
std::string ForkAnswer(const ForkTimes& times, std::span<const CloneOutcome> outcomes);

}  // namespace ember::vmm

#endif  // EMBER_VMM_FORK_FORK_JSON_H_
