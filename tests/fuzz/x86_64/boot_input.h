#ifndef EMBER_TESTS_FUZZ_X86_64_BOOT_INPUT_H_
#define EMBER_TESTS_FUZZ_X86_64_BOOT_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "firmware/x86_64/boot.h"
#include "memory/guest_memory.h"
#include "tests/fuzz/input_file.h"

// What the fuzz targets of the kernel loaders share. x86-64 alone.
namespace ember {

// Boots a kernel of these bytes, with a small initrd, into 64 MiB. Aborts where a boot that is said
// to be good starts outside RAM, or an error does not name a file.
inline void BootKernel(std::span<const std::byte> kernel,
                       const firmware::BootParameters& parameters) {
  constexpr uint64_t kRamBytes = 64 << 20;
  const auto memory = GuestMemory::Create({{GuestAddress{0}, kRamBytes}}, {}).value();
  const Fd kernel_file = FileOf(kernel);
  const Fd initrd_file = FileOf(std::as_bytes(std::span("initrd")));
  const auto info = firmware::LoadLinux(*memory,
                                        {.kernel_path = "kernel",
                                         .kernel = kernel_file,
                                         .initrd_path = "initrd",
                                         .initrd = &initrd_file},
                                        parameters);
  if (info) {
    EMBER_CHECK(ToInteger(info->entry) >= (1 << 20) && ToInteger(info->entry) < kRamBytes);
  } else {
    const std::string& message = info.error().message();
    EMBER_CHECK(message.starts_with("kernel: ") || message.starts_with("initrd: "));
  }
}

}  // namespace ember

#endif  // EMBER_TESTS_FUZZ_X86_64_BOOT_INPUT_H_
