#ifndef EMBER_SANDBOX_POLICY_CONSTANTS_H_
#define EMBER_SANDBOX_POLICY_CONSTANTS_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace ember::sandbox {

// The value of a constant of the kernel's headers that policies use, in its lower 32 bits.
std::optional<uint32_t> ConstantNamed(std::string_view name);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_POLICY_CONSTANTS_H_
