#include "mmds/token_table.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <system_error>

namespace ember::mmds {
namespace {

constexpr size_t kDigits = 16;  // of each half, in hexadecimal

bool ReadHalf(std::string_view digits, uint64_t& half) {
  const bool plain = std::ranges::all_of(
      digits, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  const char* const end = digits.data() + digits.size();
  return plain && std::from_chars(digits.data(), end, half, 16).ec == std::errc();
}

void AppendHalf(std::string& text, uint64_t half) {
  std::array<char, kDigits> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), half, 16);
  const auto count = static_cast<size_t>(end.ptr - digits.data());
  text.append(kDigits - count, '0').append(digits.data(), count);
}

}  // namespace

std::string TokenTable::Make(std::chrono::seconds lifetime, std::chrono::nanoseconds now) {
  Token token{.bits = {}, .end = now + lifetime};
  random_(std::as_writable_bytes(std::span(token.bits)));
  if (tokens_.size() == kMaxTokens) {
    std::erase_if(tokens_, [&](const Token& each) { return each.end <= now; });
  }
  if (tokens_.size() == kMaxTokens) {
    *std::ranges::min_element(tokens_, {}, &Token::end) = token;
  } else {
    tokens_.push_back(token);
  }
  std::string text;
  for (const uint64_t half : token.bits) AppendHalf(text, half);
  return text;
}

bool TokenTable::IsGood(std::string_view token, std::chrono::nanoseconds now) const {
  Bits bits{};
  if (token.size() != 2 * kDigits || !ReadHalf(token.substr(0, kDigits), bits[0]) ||
      !ReadHalf(token.substr(kDigits), bits[1])) {
    return false;
  }
  // Each is looked at whole, so that the time tells nothing of how near a guess was.
  bool good = false;
  for (const Token& each : tokens_) {
    const uint64_t differences = (each.bits[0] ^ bits[0]) | (each.bits[1] ^ bits[1]);
    good |= differences == 0 && each.end > now;
  }
  return good;
}

}  // namespace ember::mmds
