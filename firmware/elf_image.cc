#include "firmware/elf_image.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "base/concat.h"

namespace ember::firmware {
namespace {

// Kernels have about five; the limits keep a hostile file's work small.
constexpr uint16_t kMaxProgramHeaders = 64;

template <typename T>
Result<T> ReadStruct(const ImageFile& file, uint64_t offset, std::string_view what) {
  std::array<std::byte, sizeof(T)> bytes;
  TRY(file.Read(offset, bytes, what));
  return std::bit_cast<T>(bytes);
}

Status Expect(const ImageFile& file, std::string_view field, uint64_t value, uint64_t wanted) {
  if (value == wanted) return {};
  return file.Wrong(Concat(field, " is ", value, ", not ", wanted));
}

Status CheckHeader(const ImageFile& file, const Elf64_Ehdr& header, uint16_t machine) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return file.Wrong(Concat("e_ident begins with ", Hex{header.e_ident[0]}, " ",
                             Hex{header.e_ident[1]}, " ", Hex{header.e_ident[2]}, " ",
                             Hex{header.e_ident[3]}, ", not 0x7f 0x45 0x4c 0x46"));
  }
  TRY(Expect(file, "e_ident[EI_CLASS]", header.e_ident[EI_CLASS], ELFCLASS64));
  TRY(Expect(file, "e_ident[EI_DATA]", header.e_ident[EI_DATA], ELFDATA2LSB));
  TRY(Expect(file, "e_ident[EI_VERSION]", header.e_ident[EI_VERSION], EV_CURRENT));
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    return file.Wrong(Concat("e_type is ", header.e_type, ", neither ", ET_EXEC, " nor ", ET_DYN));
  }
  TRY(Expect(file, "e_machine", header.e_machine, machine));
  TRY(Expect(file, "e_version", header.e_version, EV_CURRENT));
  TRY(Expect(file, "e_phentsize", header.e_phentsize, sizeof(Elf64_Phdr)));
  if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders) {
    return file.Wrong(
        Concat("e_phnum is ", header.e_phnum, ", not between 1 and ", kMaxProgramHeaders));
  }
  const uint64_t table_bytes = uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  if (!file.Holds(header.e_phoff, table_bytes)) {
    return file.Wrong(Concat("e_phoff ", Hex{header.e_phoff}, " plus ", table_bytes,
                             " bytes of program headers is past the file's ", file.size_bytes(),
                             " bytes"));
  }
  return {};
}

// The file bytes of one program header.
Status CheckFileBytes(const ImageFile& file, std::string_view name, const Elf64_Phdr& header) {
  if (file.Holds(header.p_offset, header.p_filesz)) return {};
  return file.Wrong(Concat(name, " p_offset ", Hex{header.p_offset}, " plus p_filesz ",
                           header.p_filesz, " is past the file's ", file.size_bytes(), " bytes"));
}

Result<ElfImage::Segment> ToSegment(const ImageFile& file, std::string_view name,
                                    const Elf64_Phdr& header) {
  TRY(CheckFileBytes(file, name, header));
  if (header.p_filesz > header.p_memsz) {
    return file.Wrong(
        Concat(name, " p_filesz ", header.p_filesz, " exceeds p_memsz ", header.p_memsz));
  }
  if (!CheckedAdd(GuestAddress{header.p_paddr}, header.p_memsz)) {
    return file.Wrong(Concat(name, " p_paddr ", Hex{header.p_paddr}, " plus p_memsz ",
                             Hex{header.p_memsz}, " does not end below 2^64"));
  }
  return ElfImage::Segment{.target = {GuestAddress{header.p_paddr}, header.p_memsz},
                           .file_offset = header.p_offset,
                           .file_bytes = header.p_filesz};
}

Status AddProgramHeader(const ImageFile& file, std::string_view name, const Elf64_Phdr& header,
                        ElfImage& image) {
  if (header.p_type == PT_LOAD) {
    const ElfImage::Segment segment = TRY(ToSegment(file, name, header));
    if (segment.target.size_bytes != 0) image.segments.push_back(segment);
  } else if (header.p_type == PT_NOTE) {
    TRY(CheckFileBytes(file, name, header));
    image.notes.push_back({.file_offset = header.p_offset,
                           .size_bytes = header.p_filesz,
                           .alignment = header.p_align == 8 ? uint64_t{8} : uint64_t{4}});
  }
  return {};
}

Status CheckSegments(const ImageFile& file, std::span<const ElfImage::Segment> segments) {
  if (segments.empty()) return file.Wrong("no program header has p_type PT_LOAD with a p_memsz");
  for (size_t i = 1; i < segments.size(); ++i) {
    const GuestRange& before = segments[i - 1].target;
    if (segments[i].target.start < before.end()) {
      return file.Wrong(Concat("p_paddr ", segments[i].target.start,
                               " of a PT_LOAD is within another one's ", before.start, " to ",
                               before.end()));
    }
  }
  return {};
}

}  // namespace

GuestRange ElfImage::Extent() const {
  const GuestAddress start = segments.front().target.start;
  return {start, ToInteger(segments.back().target.end()) - ToInteger(start)};
}

bool ElfImage::HoldsCode(GuestAddress at) const {
  return std::ranges::any_of(segments, [at](const Segment& segment) {
    return GuestRange{segment.target.start, segment.file_bytes}.Contains(at);
  });
}

bool IsElf(const ImageFile& file) {
  std::array<std::byte, SELFMAG> magic;
  return file.Read(0, magic, "ELF magic number") && std::memcmp(magic.data(), ELFMAG, SELFMAG) == 0;
}

Result<ElfImage> ReadElf(const ImageFile& file, uint16_t machine) {
  const auto header = TRY(ReadStruct<Elf64_Ehdr>(file, 0, "ELF header"));
  TRY(CheckHeader(file, header, machine));
  ElfImage image{.entry = GuestAddress{header.e_entry}};
  for (uint16_t i = 0; i < header.e_phnum; ++i) {
    const std::string name = Concat("program header ", i);
    const uint64_t offset = header.e_phoff + uint64_t{i} * sizeof(Elf64_Phdr);
    const auto program_header = TRY(ReadStruct<Elf64_Phdr>(file, offset, name));
    TRY(AddProgramHeader(file, name, program_header, image));
  }
  std::ranges::sort(image.segments, {}, [](const ElfImage::Segment& s) { return s.target.start; });
  TRY(CheckSegments(file, image.segments));
  return image;
}

Status LoadElf(const GuestMemory& memory, const ImageFile& file, const ElfImage& image,
               const GuestRange& room) {
  for (const ElfImage::Segment& segment : image.segments) {
    if (segment.target.start < room.start || segment.target.end() > room.end()) {
      return file.Wrong(Concat("p_paddr ", segment.target.start, " plus p_memsz ",
                               segment.target.size_bytes, " is not within the RAM from ",
                               room.start, " to ", room.end()));
    }
  }
  for (const ElfImage::Segment& segment : image.segments) {
    TRY(file.Load(memory, segment.target.start, segment.file_offset, segment.file_bytes));
  }
  return {};
}

}  // namespace ember::firmware
