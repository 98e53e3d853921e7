#ifndef EMBER_API_MEMORY_SURVEY_H_
#define EMBER_API_MEMORY_SURVEY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vmm/vitals.h"

namespace ember::api {

// What mappings of this process hold, in bytes.
struct HeldMemory {
  uint64_t rss = 0;   // resident, huge pages of the host's pool included
  uint64_t pss = 0;   // the same, where shared pages count by their share
  uint64_t swap = 0;  // of it, swapped out

  friend bool operator==(const HeldMemory&, const HeldMemory&) = default;
};

struct MemorySurvey {
  HeldMemory guest;  // mappings in one of the ranges
  HeldMemory vmm;    // all others
};

// Reads /proc/self/smaps, for which the kernel walks the page tables: a millisecond or two for each
// GiB in use. Any thread.
Result<MemorySurvey> SurveyMemory(const std::vector<vmm::HostRange>& guest);
// The same of such a file's text. Pure.
MemorySurvey ReadSurvey(std::string_view smaps, const std::vector<vmm::HostRange>& guest);

}  // namespace ember::api

#endif  // EMBER_API_MEMORY_SURVEY_H_
