// What a jailer runs in the VMM's place: prints when it began, in nanoseconds of the monotonic
// clock.
#include <cstdio>

#include "base/clock.h"

int main() {
  std::printf("%lld\n", static_cast<long long>(ember::MonotonicClock().Now().count()));
  return 0;
}
