#include "firmware/x86_64/pvh.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/concat.h"
#include "base/endian.h"
#include "firmware/x86_64/layout.h"

namespace ember::firmware::x86_64 {
namespace {

constexpr uint32_t kPhys32EntryNote = 18;  // xen/include/public/elfnote.h

// xen/include/public/arch-x86/hvm/start_info.h
constexpr uint32_t kStartInfoMagic = 0x336e'c578;

struct StartInfo {
  uint32_t magic = kStartInfoMagic;
  uint32_t version = 1;
  uint32_t flags = 0;
  uint32_t module_count = 0;
  uint64_t modules_address = 0;
  uint64_t command_line_address = 0;
  uint64_t rsdp_address = 0;
  uint64_t memory_map_address = 0;
  uint32_t memory_map_count = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(StartInfo) == 56);

struct Module {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  uint64_t command_line_address = 0;
  uint64_t reserved = 0;
};
static_assert(sizeof(Module) == 32);

struct MapEntry {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  uint32_t type = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(MapEntry) == 24);

constexpr GuestAddress kStartInfo = kPvhArea.start;
constexpr GuestAddress kModule = kStartInfo + 0x40;
constexpr GuestAddress kMemoryMap = kStartInfo + 0x80;

}  // namespace

Result<std::optional<GuestAddress>> FindPvhEntry(const ImageFile& file, const ElfImage& image) {
  const auto note = TRY(FindElfNote(file, image, "Xen", kPhys32EntryNote));
  if (!note) return std::nullopt;
  if (note->size() != 4 && note->size() != 8) {
    return file.Wrong(
        Concat("n_descsz ", note->size(), " of the PVH entry note is neither 4 nor 8"));
  }
  const uint64_t entry = note->size() == 4 ? LoadLe<uint32_t>(*note) : LoadLe<uint64_t>(*note);
  if (entry > UINT32_MAX) {
    return file.Wrong(
        Concat("PVH entry ", Hex{entry}, " exceeds the 32-bit limit ", Hex{UINT32_MAX}));
  }
  if (!image.HoldsCode(GuestAddress{entry})) {
    return file.Wrong(Concat("PVH entry ", Hex{entry}, " is in no PT_LOAD from ",
                             image.Extent().start, " to ", image.Extent().end()));
  }
  return GuestAddress{entry};
}

Result<GuestAddress> WritePvhStartInfo(const GuestMemory& memory, const PvhStartInfo& info) {
  std::vector<MapEntry> map;
  for (const MemoryMapEntry& entry : info.memory_map) {
    map.push_back({.address = ToInteger(entry.range.start),
                   .size_bytes = entry.range.size_bytes,
                   .type = static_cast<uint32_t>(entry.type)});
  }
  const auto map_bytes = std::as_bytes(std::span(map));
  const uint64_t room_bytes = ToInteger(kPvhArea.end()) - ToInteger(kMemoryMap);
  if (map_bytes.size() > room_bytes) {
    return Error(
        Concat("PVH memory map of ", map_bytes.size(), " bytes exceeds the limit ", room_bytes));
  }
  TRY(memory.WriteBytes(kMemoryMap, map_bytes));

  StartInfo start_info{.command_line_address = ToInteger(info.command_line),
                       .rsdp_address = ToInteger(info.acpi_rsdp.value_or(GuestAddress{0})),
                       .memory_map_address = ToInteger(kMemoryMap),
                       .memory_map_count = static_cast<uint32_t>(map.size())};
  if (info.initrd) {
    TRY(memory.Write(kModule, Module{.address = ToInteger(info.initrd->start),
                                     .size_bytes = info.initrd->size_bytes}));
    start_info.module_count = 1;
    start_info.modules_address = ToInteger(kModule);
  }
  TRY(memory.Write(kStartInfo, start_info));
  return kStartInfo;
}

}  // namespace ember::firmware::x86_64
