#include "base/endian.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace ember {
namespace {

TEST(EndianTest, LoadTakesTheLeastSignificantByteFirstAtAnyAlignment) {
  constexpr std::array<std::byte, 9> kBytes = {std::byte{0xff}, std::byte{1}, std::byte{2},
                                               std::byte{3},    std::byte{4}, std::byte{5},
                                               std::byte{6},    std::byte{7}, std::byte{8}};
  const auto bytes = std::span(kBytes).subspan(1);
  EXPECT_EQ(LoadLe<uint8_t>(bytes), 0x01);
  EXPECT_EQ(LoadLe<uint16_t>(bytes), 0x0201);
  EXPECT_EQ(LoadLe<uint32_t>(bytes), 0x04030201u);
  EXPECT_EQ(LoadLe<uint64_t>(bytes), 0x0807060504030201u);
}

TEST(EndianTest, StoreTouchesOnlyItsOwnBytes) {
  std::array<std::byte, 6> bytes{};
  StoreLe<uint32_t>(0xa1b2c3d4, std::span(bytes).subspan(1));
  EXPECT_EQ(bytes, (std::array<std::byte, 6>{std::byte{0}, std::byte{0xd4}, std::byte{0xc3},
                                             std::byte{0xb2}, std::byte{0xa1}, std::byte{0}}));
}

TEST(EndianDeathTest, TooFewBytesAreABugAndAbort) {
  std::array<std::byte, 3> bytes{};
  EXPECT_DEATH(LoadLe<uint32_t>(bytes), "check failed: bytes.size");
  EXPECT_DEATH(StoreLe<uint32_t>(0, bytes), "check failed: bytes.size");
}

}  // namespace
}  // namespace ember
