#ifndef EMBER_TESTS_PAYLOAD_PAYLOAD_KERNEL_H_
#define EMBER_TESTS_PAYLOAD_PAYLOAD_KERNEL_H_

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ember {

// The smallest kernel: an ELF64 file whose PVH note leads to `code`, 32-bit protected mode with
// paging off. The file's bytes.
inline std::string PayloadKernel(std::string_view code) {
  constexpr uint32_t kEntry = 0x10'0000;
  constexpr size_t kCodeAt = 0x1000;
  struct Note {
    Elf64_Nhdr header{.n_namesz = 4, .n_descsz = 4, .n_type = 18};  // XEN_ELFNOTE_PHYS32_ENTRY
    char name[4] = {'X', 'e', 'n', '\0'};
    uint32_t entry = kEntry;
  };
  struct Head {
    Elf64_Ehdr elf{};
    Elf64_Phdr load{};
    Elf64_Phdr notes{};
    Note note;
  } head;
  std::memcpy(head.elf.e_ident, "\177ELF\2\1\1", 7);
  head.elf.e_type = ET_EXEC;
  head.elf.e_machine = EM_X86_64;
  head.elf.e_version = EV_CURRENT;
  head.elf.e_entry = kEntry;
  head.elf.e_phoff = sizeof(Elf64_Ehdr);
  head.elf.e_ehsize = sizeof(Elf64_Ehdr);
  head.elf.e_phentsize = sizeof(Elf64_Phdr);
  head.elf.e_phnum = 2;
  head.load = {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_X,
               .p_offset = kCodeAt,
               .p_vaddr = kEntry,
               .p_paddr = kEntry,
               .p_filesz = code.size(),
               .p_memsz = code.size(),
               .p_align = 0x1000};
  head.notes = {.p_type = PT_NOTE,
                .p_offset = offsetof(Head, note),
                .p_filesz = sizeof(Note),
                .p_memsz = sizeof(Note),
                .p_align = 4};
  std::string file(kCodeAt, '\0');
  std::memcpy(file.data(), &head, sizeof(head));
  file += code;
  return file;
}

// mov dx, 0x64; mov al, 0xfe; out dx, al; then halt: the keyboard controller resets the machine.
inline std::string ResetCode() {
  return std::string("\x66\xba\x64\x00\xb0\xfe\xee\xf4\xeb\xfd", 10);
}

}  // namespace ember

#endif  // EMBER_TESTS_PAYLOAD_PAYLOAD_KERNEL_H_
