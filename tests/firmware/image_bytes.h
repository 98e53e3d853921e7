#ifndef EMBER_TESTS_FIRMWARE_IMAGE_BYTES_H_
#define EMBER_TESTS_FIRMWARE_IMAGE_BYTES_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "memory/guest_memory.h"

// Kernel images made in memory, and the files and guest memory that loaders want.
namespace ember::firmware {

using Bytes = std::vector<std::byte>;

// An unnamed file with these contents.
inline Fd FileOf(std::span<const std::byte> contents) {
  Fd file(::memfd_create("image", MFD_CLOEXEC));
  EMBER_CHECK(file.valid() && WriteAll(file, contents));
  return file;
}

// `count` bytes that differ from their neighbours and, mostly, from page to page.
inline Bytes Pattern(size_t count, uint32_t seed) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::byte>(1 + (i + i / 251 + seed) % 253);
  return bytes;
}

template <Pod T>
void Put(Bytes& bytes, size_t offset, const T& value) {
  const auto from = std::as_bytes(std::span(&value, 1));
  if (bytes.size() < offset + from.size()) bytes.resize(offset + from.size());
  std::ranges::copy(from, bytes.begin() + static_cast<ptrdiff_t>(offset));
}

inline void Put(Bytes& bytes, size_t offset, std::span<const std::byte> from) {
  if (bytes.size() < offset + from.size()) bytes.resize(offset + from.size());
  std::ranges::copy(from, bytes.begin() + static_cast<ptrdiff_t>(offset));
}

inline Bytes ReadGuest(const GuestMemory& memory, GuestAddress at, size_t count) {
  Bytes bytes(count);
  EMBER_CHECK(memory.ReadBytes(at, bytes).has_value());
  return bytes;
}

// RAM from 0; pages that nothing touches cost nothing.
inline std::unique_ptr<GuestMemory> RamOf(uint64_t size_bytes,
                                          const GuestMemory::Options& options = {}) {
  return GuestMemory::Create({{GuestAddress{0}, size_bytes}}, options).value();
}

// A header field to be damaged.
struct Field {
  const char* name;
  size_t offset;
  size_t size_bytes;
};

// Puts the low bytes of `value` into the field.
inline void SetField(Bytes& bytes, const Field& field, uint64_t value) {
  const auto from = std::as_bytes(std::span(&value, 1));
  Put(bytes, field.offset, from.first(field.size_bytes));
}

}  // namespace ember::firmware

#endif  // EMBER_TESTS_FIRMWARE_IMAGE_BYTES_H_
