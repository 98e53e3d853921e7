#ifndef EMBER_TESTS_SANDBOX_POLICY_TEXT_H_
#define EMBER_TESTS_SANDBOX_POLICY_TEXT_H_

#include <string>

namespace ember::sandbox {

// The tree's policy.
std::string PolicyText();

}  // namespace ember::sandbox

#endif  // EMBER_TESTS_SANDBOX_POLICY_TEXT_H_
