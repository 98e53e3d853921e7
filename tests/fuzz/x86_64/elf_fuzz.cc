// An ELF kernel that is the input, booted by its notes and by its entry.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/fuzz/x86_64/boot_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto kernel = std::as_bytes(std::span(data, size));
  ember::BootKernel(kernel, {.command_line = "quiet"});
  ember::BootKernel(kernel,
                    {.command_line = "quiet", .protocol = ember::firmware::BootProtocol::kLinux64});
  return 0;
}
