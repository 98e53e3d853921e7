#ifndef EMBER_TESTS_FIRMWARE_ELF_BUILDER_H_
#define EMBER_TESTS_FIRMWARE_ELF_BUILDER_H_

#include <elf.h>

#include <string_view>
#include <vector>

#include "tests/firmware/image_bytes.h"

namespace ember::firmware {

// A small ELF64 kernel. Change what you like before Build().
struct ElfBuilder {
  struct Piece {
    Elf64_Phdr header{};
    Bytes contents;  // at header.p_offset
  };

  Elf64_Ehdr header{
      .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
      .e_type = ET_EXEC,
      .e_machine = EM_X86_64,
      .e_version = EV_CURRENT,
      .e_phoff = sizeof(Elf64_Ehdr),
      .e_ehsize = sizeof(Elf64_Ehdr),
      .e_phentsize = sizeof(Elf64_Phdr)};
  std::vector<Piece> pieces;

  // A PT_LOAD with `extra_memory` bytes after those of the file.
  ElfBuilder& Load(uint64_t paddr, uint64_t offset, Bytes contents, uint64_t extra_memory = 0) {
    const uint64_t size = contents.size();
    pieces.push_back({{.p_type = PT_LOAD,
                       .p_offset = offset,
                       .p_paddr = paddr,
                       .p_filesz = size,
                       .p_memsz = size + extra_memory},
                      std::move(contents)});
    return *this;
  }

  // A PT_NOTE with one or more notes.
  ElfBuilder& Notes(uint64_t offset, Bytes contents) {
    const uint64_t size = contents.size();
    pieces.push_back(
        {{.p_type = PT_NOTE, .p_offset = offset, .p_filesz = size, .p_memsz = size, .p_align = 4},
         std::move(contents)});
    return *this;
  }

  Bytes Build() const {
    Bytes bytes;
    Elf64_Ehdr final_header = header;
    final_header.e_phnum = static_cast<uint16_t>(pieces.size());
    Put(bytes, 0, final_header);
    for (size_t i = 0; i < pieces.size(); ++i) {
      Put(bytes, sizeof(Elf64_Ehdr) + i * sizeof(Elf64_Phdr), pieces[i].header);
    }
    for (const Piece& piece : pieces) Put(bytes, piece.header.p_offset, piece.contents);
    return bytes;
  }
};

// One note, padded to 4 bytes.
inline Bytes Note(std::string_view owner, uint32_t type, std::span<const std::byte> description) {
  Bytes bytes;
  Put(bytes, 0,
      Elf64_Nhdr{static_cast<uint32_t>(owner.size() + 1), static_cast<uint32_t>(description.size()),
                 type});
  Put(bytes, sizeof(Elf64_Nhdr), std::as_bytes(std::span(owner)));
  bytes.resize((bytes.size() + 1 + 3) / 4 * 4);
  Put(bytes, bytes.size(), description);
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

// Xen's note with a PVH entry.
inline Bytes PvhNote(uint64_t entry) {
  return Note("Xen", 18, std::as_bytes(std::span(&entry, 1)));
}

}  // namespace ember::firmware

#endif  // EMBER_TESTS_FIRMWARE_ELF_BUILDER_H_
