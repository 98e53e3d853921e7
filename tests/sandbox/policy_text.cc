#include "tests/sandbox/policy_text.h"

#include <fstream>
#include <iterator>

namespace ember::sandbox {

std::string PolicyText() {
  std::ifstream file(EMBER_POLICY);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ember::sandbox
