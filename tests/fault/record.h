#ifndef EMBER_TESTS_FAULT_RECORD_H_
#define EMBER_TESTS_FAULT_RECORD_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ember::fault {

// What a test and the program under it share: a file that both map. The test writes the plan before
// the program starts; the program counts its calls, also past a crash. record.py has the same
// layout.

// Where a call comes from: the call itself, who called the function it is in, and what it asks for
// (an ioctl's request, a system call's number). The addresses are offsets into the program, of what
// follows the call; 0 where there is none of ours.
struct Origin {
  std::array<uint64_t, 2> frames;
  uint64_t detail;
};

struct Site {
  std::atomic<uint64_t> key;  // of its name and origin; 0: nobody's yet
  std::atomic<uint64_t> calls;
  Origin origin;
  std::array<char, 32> name;
};
static_assert(sizeof(Site) == 72);

// A call that is to fail.
struct Plan {
  uint64_t key;                        // its site's; 0: none
  uint64_t number;                     // which of the site's calls, from 1
  int64_t action;                      // an errno, or one of those below
  std::atomic<uint64_t> failed_at_ns;  // on the monotonic clock; 0: not yet
};

struct Record {
  std::array<Plan, 2> plans;
  std::atomic<uint64_t> lost_sites;  // beyond those that there is room for
  static constexpr size_t kMaxSites = 8192;
  std::array<Site, kMaxSites> sites;
};
static_assert(offsetof(Record, sites) == 72);

constexpr int64_t kCutShort = -1;  // half of the bytes asked for
constexpr int64_t kNoneLeft = -2;  // 0 bytes: the end of a file, or nothing written
constexpr int64_t kAllDone = -3;   // is made, and fails with EAGAIN

}  // namespace ember::fault

#endif  // EMBER_TESTS_FAULT_RECORD_H_
