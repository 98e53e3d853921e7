#ifndef EMBER_TESTS_FIRMWARE_X86_64_BZIMAGE_BUILDER_H_
#define EMBER_TESTS_FIRMWARE_X86_64_BZIMAGE_BUILDER_H_

#include <asm/bootparam.h>

#include "tests/firmware/image_bytes.h"

namespace ember::firmware {

// A small bzImage of protocol 2.15. Change what you like before Build(), or the bytes after it.
struct BzImageBuilder {
  setup_header header{.setup_sects = 1,
                      .boot_flag = 0xaa55,
                      .jump = 0x6aeb,  // over the header: to 0x202 + 0x6a
                      .header = 0x53726448,
                      .version = 0x020f,
                      .loadflags = LOADED_HIGH,
                      .initrd_addr_max = 0x7fffffff,
                      .kernel_alignment = 2 << 20,
                      .relocatable_kernel = 1,
                      .xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
                      .cmdline_size = 2047,
                      .pref_address = 16 << 20,
                      .init_size = 1 << 20};
  Bytes kernel = Pattern(1024, 7);

  // The kernel follows the boot sector and setup_sects more, or 4 for 0.
  uint64_t KernelOffset() const {
    return (1 + (header.setup_sects == 0 ? 4 : uint64_t{header.setup_sects})) * 512;
  }
  Bytes Build() const {
    Bytes bytes;
    setup_header final_header = header;
    final_header.syssize = static_cast<uint32_t>(kernel.size() / 16);
    Put(bytes, 0x1f1, final_header);
    Put(bytes, KernelOffset(), kernel);
    return bytes;
  }
};

}  // namespace ember::firmware

#endif  // EMBER_TESTS_FIRMWARE_X86_64_BZIMAGE_BUILDER_H_
