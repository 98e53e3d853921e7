#include "vmm/cpu/bit_pattern_text.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/concat.h"

namespace ember::vmm {
namespace {

// As much of a client's text as an error repeats: every pattern that is right fits.
constexpr size_t kShownBytes = 160;

std::string Shown(std::string_view text) {
  std::string shown(text.substr(0, kShownBytes));
  if (shown.size() < text.size()) shown += "...";
  return shown;
}

}  // namespace

Result<kvm::BitPattern<uint64_t>> ParseBitPattern(std::string_view text, uint32_t width) {
  std::string_view digits = text;
  if (digits.starts_with("0b")) digits.remove_prefix(2);
  kvm::BitPattern<uint64_t> bits;
  uint32_t count = 0;
  for (const char digit : digits) {
    if (digit == '_') continue;
    if (digit != '0' && digit != '1' && digit != 'x') {
      return Error(Concat("Failed to parse string [", Shown(text),
                          "] as a bitmap: it holds something else than 0, 1, x and _"));
    }
    if (++count > width) {
      return Error(Concat("Failed to parse string [", Shown(text),
                          "] as a bitmap: it has more than ", width, " bits"));
    }
    bits.mask = (bits.mask << 1) | (digit == 'x' ? 0U : 1U);
    bits.value = (bits.value << 1) | (digit == '1' ? 1U : 0U);
  }
  return bits;
}

std::string ToText(const kvm::BitPattern<uint64_t>& bits, uint32_t width) {
  std::string text = "0b";
  for (uint32_t bit = width; bit-- > 0;) {
    const bool changed = (bits.mask >> bit & 1) != 0;
    const bool set = (bits.value >> bit & 1) != 0;
    text += !changed ? 'x' : set ? '1' : '0';
  }
  return text;
}

Result<uint32_t> ParseNumber(std::string_view text) {
  std::string_view digits = text;
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0b")) base = 2;
  if (base != 10) digits.remove_prefix(2);
  uint32_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return Error(Concat("Failed to parse string [", Shown(text),
                        "] as a number of 32 bits: it is to be like 0x1f, 0b11111 or 31"));
  }
  return number;
}

}  // namespace ember::vmm
