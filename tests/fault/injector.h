#ifndef EMBER_TESTS_FAULT_INJECTOR_H_
#define EMBER_TESTS_FAULT_INJECTOR_H_

#include <cstdint>

namespace ember::fault {

// What is to become of one call; where it is none of these, it is made as it is.
struct Verdict {
  int error = 0;           // fails with this errno
  bool made = false;       // but is made before
  bool cut_short = false;  // moves half of the bytes
  bool none_left = false;  // moves none
};

// Counts a call and says what becomes of it. `frame` is that of the function that was called in
// place of `name`. From any thread and any signal handler; leaves errno alone.
Verdict Judge(const void* frame, const char* name, uint64_t detail);

}  // namespace ember::fault

#endif  // EMBER_TESTS_FAULT_INJECTOR_H_
