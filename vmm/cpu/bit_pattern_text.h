#ifndef EMBER_VMM_CPU_BIT_PATTERN_TEXT_H_
#define EMBER_VMM_CPU_BIT_PATTERN_TEXT_H_

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kvm/cpu_modifiers.h"

// Numbers and patterns of bits as the contract writes them in strings. Pure functions; any thread.
namespace ember::vmm {

// "0b01x": from the highest bit named down to bit 0, 1 sets it, 0 clears it, x leaves it, as all
// above are left. "0b" may be missing, and '_' may stand anywhere behind it. Fails for more bits
// than `width`.
Result<kvm::BitPattern<uint64_t>> ParseBitPattern(std::string_view text, uint32_t width);
// All `width` bits of it, with "0b".
std::string ToText(const kvm::BitPattern<uint64_t>& bits, uint32_t width);

template <std::unsigned_integral T>
Result<kvm::BitPattern<T>> ParseBitPattern(std::string_view text) {
  const auto bits = TRY(ParseBitPattern(text, std::numeric_limits<T>::digits));
  return kvm::BitPattern<T>{.mask = static_cast<T>(bits.mask), .value = static_cast<T>(bits.value)};
}
template <std::unsigned_integral T>
std::string ToText(const kvm::BitPattern<T>& bits) {
  return ToText(kvm::BitPattern<uint64_t>{bits.mask, bits.value}, std::numeric_limits<T>::digits);
}

// "0x1f", "0b101" or "31".
Result<uint32_t> ParseNumber(std::string_view text);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CPU_BIT_PATTERN_TEXT_H_
