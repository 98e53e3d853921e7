#include "firmware/x86_64/boot.h"

#include <elf.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/concat.h"
#include "firmware/command_line.h"
#include "firmware/elf_image.h"
#include "firmware/image_file.h"
#include "firmware/initrd.h"
#include "firmware/x86_64/bzimage.h"
#include "firmware/x86_64/e820.h"
#include "firmware/x86_64/gdt.h"
#include "firmware/x86_64/layout.h"
#include "firmware/x86_64/page_tables.h"
#include "firmware/x86_64/pvh.h"
#include "firmware/x86_64/setup_data.h"
#include "firmware/x86_64/setup_header.h"
#include "firmware/x86_64/zero_page.h"

namespace ember::firmware {

using namespace x86_64;  // NOLINT(google-build-using-namespace): its parts are put together here

namespace {

// What the identity page tables reach and the 32-bit PVH entry can address.
constexpr GuestAddress k4GiB{0x1'0000'0000};

// A kernel in guest memory.
struct LoadedKernel {
  BootProtocol protocol{};
  GuestAddress entry{};
  GuestRange range;    // nothing else may be put there
  SetupHeader header;  // made up for an ELF
};

// RAM for the kernel and the initrd.
Result<GuestRange> HighRoom(const GuestMemory& memory) {
  const GuestRange low = memory.regions().front().range;
  if (low.start != GuestAddress{0} || low.end() <= kKernelStart) {
    return Error(Concat("RAM from ", low.start, " to ", low.end(), " does not span 0 to ",
                        kKernelStart, " and more"));
  }
  const GuestAddress end = std::min(low.end(), k4GiB);
  return GuestRange{kKernelStart, ToInteger(end) - ToInteger(kKernelStart)};
}

Result<LoadedKernel> LoadBz(const GuestMemory& memory, const ImageFile& file,
                            const BootParameters& parameters, const GuestRange& room) {
  if (parameters.protocol == BootProtocol::kPvh) {
    return file.Wrong("boot protocol pvh needs an ELF kernel, and this is a bzImage");
  }
  BzImage image = TRY(ReadBzImage(file));
  const GuestRange range = TRY(LoadBzImage(memory, file, image, room));
  // As the protocol has it for a loader that chose another address than the header's.
  image.header.fields.code32_start = static_cast<uint32_t>(ToInteger(range.start));
  return LoadedKernel{.protocol = BootProtocol::kLinux64,
                      .entry = BzImageEntry(range),
                      .range = range,
                      .header = image.header};
}

// The 32-bit entry if this kernel is to be started by PVH.
Result<std::optional<GuestAddress>> ChoosePvh(const ImageFile& file, const ElfImage& image,
                                              const BootParameters& parameters) {
  const bool has_tree = !parameters.device_tree.empty();
  if (parameters.protocol == BootProtocol::kLinux64) return std::nullopt;
  if (parameters.protocol == BootProtocol::kPvh && has_tree) {
    return Error("boot protocol pvh has no place for a device tree");
  }
  if (has_tree) return std::nullopt;
  const auto entry = TRY(FindPvhEntry(file, image));
  if (parameters.protocol == BootProtocol::kPvh && !entry) {
    return file.Wrong("boot protocol pvh needs the ELF note Xen 18, and this kernel has none");
  }
  return entry;
}

Result<LoadedKernel> LoadElfKernel(const GuestMemory& memory, const ImageFile& file,
                                   const BootParameters& parameters, const GuestRange& room) {
  const ElfImage image = TRY(ReadElf(file, EM_X86_64));
  const auto pvh_entry = TRY(ChoosePvh(file, image, parameters));
  if (!pvh_entry && !image.HoldsCode(image.entry)) {
    return file.Wrong(Concat("e_entry ", image.entry, " is in no PT_LOAD from ",
                             image.Extent().start, " to ", image.Extent().end()));
  }
  TRY(LoadElf(memory, file, image, room));
  return LoadedKernel{.protocol = pvh_entry ? BootProtocol::kPvh : BootProtocol::kLinux64,
                      .entry = pvh_entry.value_or(image.entry),
                      .range = image.Extent(),
                      .header = SetupHeaderForElf()};
}

Result<LoadedKernel> LoadKernel(const GuestMemory& memory, const ImageFile& file,
                                const BootParameters& parameters, const GuestRange& room) {
  if (IsElf(file)) return LoadElfKernel(memory, file, parameters, room);
  if (IsBzImage(file)) return LoadBz(memory, file, parameters, room);
  return file.Wrong(
      Concat("of ", file.size_bytes(),
             " bytes has neither ELF's magic number at 0 nor a bzImage's (header) at 0x202"));
}

Status WriteCommandLine(const GuestMemory& memory, const std::string& line,
                        const SetupHeader& header) {
  const uint64_t limit =
      std::min<uint64_t>(header.fields.cmdline_size, kCommandLineArea.size_bytes - 1);
  TRY(CheckCommandLine(line, limit));
  return memory.WriteBytes(kCommandLineArea.start,
                           std::as_bytes(std::span(line.c_str(), line.size() + 1)));
}

Result<std::optional<GuestRange>> LoadInitrdAbove(const GuestMemory& memory, const BootFiles& files,
                                                  const LoadedKernel& kernel,
                                                  const GuestRange& room) {
  if (files.initrd == nullptr) return std::nullopt;
  const ImageFile file = TRY(ImageFile::Create(files.initrd_path, *files.initrd));
  const uint64_t addr_max_end = uint64_t{kernel.header.fields.initrd_addr_max} + 1;
  const InitrdLimit limit = addr_max_end < ToInteger(room.end())
                                ? InitrdLimit{GuestAddress{addr_max_end}, "initrd_addr_max"}
                                : InitrdLimit{room.end(), "RAM's end"};
  return TRY(LoadInitrd(memory, file, kernel.range.end(), limit));
}

// What a loaded kernel is told, in either protocol.
struct Told {
  std::optional<GuestRange> initrd;
  std::vector<MemoryMapEntry> memory_map;
};

Result<BootInfo> FinishLinux64(const GuestMemory& memory, const LoadedKernel& kernel,
                               const Told& told, const BootParameters& parameters) {
  std::vector<SetupDataNode> nodes{{.type = SETUP_RNG_SEED, .data = parameters.rng_seed}};
  if (!parameters.device_tree.empty()) {
    nodes.push_back({.type = SETUP_DTB, .data = parameters.device_tree});
  }
  const ZeroPage page{.header = kernel.header,
                      .command_line = kCommandLineArea.start,
                      .initrd = told.initrd,
                      .acpi_rsdp = parameters.acpi_rsdp,
                      .setup_data = TRY(WriteSetupData(memory, nodes)),
                      .memory_map = told.memory_map};
  TRY(WriteGdt(memory));
  return BootInfo{.protocol = BootProtocol::kLinux64,
                  .entry = kernel.entry,
                  .parameters = TRY(WriteZeroPage(memory, page)),
                  .page_table_root = TRY(WriteIdentityPageTables(memory)),
                  .gdt = kGdt,
                  .gdt_limit = kGdtLimit};
}

Result<BootInfo> FinishPvh(const GuestMemory& memory, const LoadedKernel& kernel, const Told& told,
                           const BootParameters& parameters) {
  const PvhStartInfo info{.initrd = told.initrd,
                          .command_line = kCommandLineArea.start,
                          .acpi_rsdp = parameters.acpi_rsdp,
                          .memory_map = told.memory_map};
  return BootInfo{.protocol = BootProtocol::kPvh,
                  .entry = kernel.entry,
                  .parameters = TRY(WritePvhStartInfo(memory, info))};
}

}  // namespace

Result<BootInfo> LoadLinux(const GuestMemory& memory, const BootFiles& files,
                           const BootParameters& parameters) {
  const GuestRange room = TRY(HighRoom(memory));
  const ImageFile file = TRY(ImageFile::Create(files.kernel_path, files.kernel));
  const LoadedKernel kernel = TRY(LoadKernel(memory, file, parameters, room));
  TRY_CONTEXT(WriteCommandLine(memory, parameters.command_line, kernel.header), file.path());
  const Told told{.initrd = TRY(LoadInitrdAbove(memory, files, kernel, room)),
                  .memory_map = BuildMemoryMap(memory)};
  return kernel.protocol == BootProtocol::kPvh ? FinishPvh(memory, kernel, told, parameters)
                                               : FinishLinux64(memory, kernel, told, parameters);
}

}  // namespace ember::firmware
