#ifndef EMBER_TESTS_FAKES_REGISTER_ACCESS_H_
#define EMBER_TESTS_FAKES_REGISTER_ACCESS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "devices/bus_device.h"

namespace ember {

// A guest's IN and OUT of one byte.
inline uint8_t In(BusDevice& device, uint64_t offset) {
  std::byte value{0};
  device.Read(offset, {&value, 1});
  return std::to_integer<uint8_t>(value);
}

inline void Out(BusDevice& device, uint64_t offset, int value) {
  const auto byte = static_cast<std::byte>(value);
  device.Write(offset, {&byte, 1});
}

// Accesses of `len` bytes; a read gives what the guest would see.
inline std::vector<std::byte> ReadBytes(BusDevice& device, uint64_t offset, size_t len) {
  std::vector<std::byte> out(len);
  device.Read(offset, out);
  return out;
}

inline void WriteBytes(BusDevice& device, uint64_t offset, size_t len, int value) {
  const std::vector<std::byte> in(len, static_cast<std::byte>(value));
  device.Write(offset, in);
}

}  // namespace ember

#endif  // EMBER_TESTS_FAKES_REGISTER_ACCESS_H_
