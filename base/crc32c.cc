#include "base/crc32c.h"

#include <array>

namespace ember {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82f63b78;

// The remainder of each byte.
constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kReflectedPolynomial : 0);
    }
    table[byte] = remainder;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

}  // namespace

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t so_far) {
  uint32_t remainder = ~so_far;
  for (const std::byte byte : bytes) {
    remainder = kTable[(remainder & 0xff) ^ std::to_integer<uint32_t>(byte)] ^ (remainder >> 8);
  }
  return ~remainder;
}

}  // namespace ember
