#ifndef EMBER_MMDS_TOKEN_TABLE_H_
#define EMBER_MMDS_TOKEN_TABLE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mmds/random.h"

namespace ember::mmds {

// The session tokens that a guest was given: 128 random bits each, good until they expire.
//
// A table, and not tokens that prove themselves, because it needs neither keys nor ciphers, and
// because a copy of the machine, which starts with a table of its own, knows none of them. What it
// costs is a bound: a token beyond kMaxTokens takes the place of that which would expire first.
// One thread at a time.
class TokenTable {
 public:
  static constexpr size_t kMaxTokens = 4096;

  explicit TokenTable(FillRandom random) : random_(random) {}

  // A new token, good for `lifetime` from `now`.
  std::string Make(std::chrono::seconds lifetime, std::chrono::nanoseconds now);
  bool IsGood(std::string_view token, std::chrono::nanoseconds now) const;

 private:
  using Bits = std::array<uint64_t, 2>;
  struct Token {
    Bits bits;
    std::chrono::nanoseconds end;
  };

  const FillRandom random_;
  std::vector<Token> tokens_;
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_TOKEN_TABLE_H_
