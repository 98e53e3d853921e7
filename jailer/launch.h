#ifndef EMBER_JAILER_LAUNCH_H_
#define EMBER_JAILER_LAUNCH_H_

#include <chrono>

#include "base/result.h"
#include "jailer/config.h"

namespace ember::jailer {

// When this process began, on the monotonic clock and on its processor's.
struct StartTimes {
  std::chrono::nanoseconds wall;
  std::chrono::nanoseconds cpu;
};

// Makes the jail, enters it, and becomes the VMM. Returns where that fails, and, with --daemonize
// or --new-pid-ns, without an error once another process has become the VMM. Called once, from
// main, which has one thread. What an unprivileged caller's jail does not confine is said on
// stderr.
Status Launch(const Config& config, const StartTimes& started);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_LAUNCH_H_
