// Files of filters, and policies: both come from whoever starts the program or the tool.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "sandbox/filter_set.h"
#include "sandbox/policy/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ember::sandbox;
  const auto bytes = std::as_bytes(std::span(data, size));
  const ember::Result<OwnedFilters> filters = ReadFilterFile(bytes);
  // What is taken holds nothing but what is written: read and written again it is as long.
  if (filters && WriteFilterFile(Borrow(*filters)).size() != size) std::abort();
  std::string text;
  for (const std::byte byte : bytes) text += static_cast<char>(byte);
  const ember::Result<Policy> policy = ParsePolicy(text);
  if (!policy) return 0;
  for (const ThreadPolicy& thread : *policy) {
    if (AllowedCalls(thread).size() > thread.at_most) std::abort();
  }
  return 0;
}
