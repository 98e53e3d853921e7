#include "firmware/x86_64/zero_page.h"

#include <cstring>
#include <span>

#include "base/concat.h"
#include "firmware/x86_64/layout.h"

namespace ember::firmware::x86_64 {
namespace {

constexpr uint8_t kUndefinedLoader = 0xff;  // boot protocol, "type_of_loader": one with no number

constexpr uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t High(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

void SetInitrd(boot_params& params, const GuestRange& initrd) {
  params.hdr.ramdisk_image = Low(ToInteger(initrd.start));
  params.hdr.ramdisk_size = Low(initrd.size_bytes);
  params.ext_ramdisk_image = High(ToInteger(initrd.start));
  params.ext_ramdisk_size = High(initrd.size_bytes);
}

}  // namespace

SetupHeader SetupHeaderForElf() {
  SetupHeader header;
  header.fields.boot_flag = kBootFlag;
  header.fields.header = kSetupHeaderMagic;
  header.fields.version = 0x020c;
  header.fields.loadflags = LOADED_HIGH;
  header.fields.kernel_alignment = 0x100'0000;
  header.fields.cmdline_size = 2047;  // COMMAND_LINE_SIZE of x86 less the closing zero
  header.fields.initrd_addr_max = 0x7fff'ffff;
  return header;
}

Result<GuestAddress> WriteZeroPage(const GuestMemory& memory, const ZeroPage& page) {
  boot_params params{};
  const auto bytes = std::as_writable_bytes(std::span(&params, 1));
  std::memcpy(bytes.subspan(kSetupHeaderOffset).data(), &page.header, sizeof(page.header));

  params.hdr.type_of_loader = kUndefinedLoader;
  params.hdr.cmd_line_ptr = Low(ToInteger(page.command_line));
  params.ext_cmd_line_ptr = High(ToInteger(page.command_line));
  params.hdr.setup_data = ToInteger(page.setup_data);
  params.acpi_rsdp_addr = ToInteger(page.acpi_rsdp.value_or(GuestAddress{0}));
  // What the file has in the loader's fields is not the guest's.
  SetInitrd(params, page.initrd.value_or(GuestRange{}));

  if (page.memory_map.size() > E820_MAX_ENTRIES_ZEROPAGE) {
    return Error(Concat("memory map of ", page.memory_map.size(), " entries exceeds the limit ",
                        E820_MAX_ENTRIES_ZEROPAGE));
  }
  for (const MemoryMapEntry& entry : page.memory_map) {
    params.e820_table[params.e820_entries++] = {.addr = ToInteger(entry.range.start),
                                                .size = entry.range.size_bytes,
                                                .type = static_cast<uint32_t>(entry.type)};
  }
  TRY(memory.WriteBytes(kZeroPage, bytes));
  return kZeroPage;
}

}  // namespace ember::firmware::x86_64
