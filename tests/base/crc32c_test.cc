#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace ember {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Crc32cTest, MatchesThePublishedValues) {
  // RFC 3720, B.4, and the check value of the polynomial.
  EXPECT_EQ(Crc32c({}), 0U);
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xe3069283U);
  std::array<std::byte, 32> bytes{};
  EXPECT_EQ(Crc32c(bytes), 0x8a9136aaU);
  bytes.fill(std::byte{0xff});
  EXPECT_EQ(Crc32c(bytes), 0x62a8ab43U);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(Crc32c(bytes), 0x46dd794eU);
}

TEST(Crc32cTest, IsJoinedFromPieces) {
  EXPECT_EQ(Crc32c(Bytes("56789"), Crc32c(Bytes("1234"))), Crc32c(Bytes("123456789")));
}

}  // namespace
}  // namespace ember
