// A bzImage that is the input, booted.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/fuzz/x86_64/boot_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::BootKernel(std::as_bytes(std::span(data, size)), {.command_line = "quiet"});
  return 0;
}
