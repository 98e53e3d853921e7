#ifndef EMBER_TESTS_SANDBOX_POLICY_TEXT_H_
#define EMBER_TESTS_SANDBOX_POLICY_TEXT_H_

#include <fstream>
#include <iterator>
#include <string>

namespace ember::sandbox {

// The tree's policy.
inline std::string PolicyText() {
  std::ifstream file(EMBER_POLICY);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ember::sandbox

#endif  // EMBER_TESTS_SANDBOX_POLICY_TEXT_H_
