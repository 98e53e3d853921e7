#ifndef EMBER_TESTS_FUZZ_INPUT_FILE_H_
#define EMBER_TESTS_FUZZ_INPUT_FILE_H_

#include <sys/mman.h>

#include <cstddef>
#include <span>

#include "base/check.h"
#include "base/fd.h"

namespace ember {

// An unnamed file with these contents.
inline Fd FileOf(std::span<const std::byte> contents) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  EMBER_CHECK(file.valid() && WriteAll(file, contents));
  return file;
}

}  // namespace ember

#endif  // EMBER_TESTS_FUZZ_INPUT_FILE_H_
