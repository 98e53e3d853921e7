// An ELF kernel that is sound but for its notes, which are the input, booted by PVH.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/firmware/elf_builder.h"
#include "tests/fuzz/x86_64/boot_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ember::firmware::Bytes;
  constexpr size_t kNotesAt = 0x200;
  constexpr size_t kCodeAt = 0x1000;
  if (size > kCodeAt - kNotesAt) return 0;
  const auto input = std::as_bytes(std::span(data, size));
  ember::firmware::ElfBuilder kernel;
  kernel.Load(0x10'0000, kCodeAt, Bytes(0x100));
  kernel.Notes(kNotesAt, Bytes(input.begin(), input.end()));
  ember::BootKernel(kernel.Build(),
                    {.command_line = "quiet", .protocol = ember::firmware::BootProtocol::kPvh});
  return 0;
}
