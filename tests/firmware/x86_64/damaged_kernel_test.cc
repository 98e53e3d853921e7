// Kernels cut short at each byte and with each header field damaged: an error that names the file
// and the field, or a boot that is legal; under the sanitizers, never a bad access.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "firmware/image_file.h"
#include "firmware/initrd.h"
#include "firmware/x86_64/boot.h"
#include "tests/firmware/elf_builder.h"
#include "tests/firmware/x86_64/bzimage_builder.h"

namespace ember::firmware {
namespace {

using testing::StartsWith;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kRamBytes = 32 * kMiB;

#define HEADER_FIELD(base, type, field) \
  Field { #field, (base) + offsetof(type, field), sizeof(type::field) }

const std::vector<Field> kBzImageFields{
    HEADER_FIELD(0x1f1, setup_header, setup_sects),
    HEADER_FIELD(0x1f1, setup_header, syssize),
    HEADER_FIELD(0x1f1, setup_header, boot_flag),
    HEADER_FIELD(0x1f1, setup_header, jump),
    HEADER_FIELD(0x1f1, setup_header, header),
    HEADER_FIELD(0x1f1, setup_header, version),
    HEADER_FIELD(0x1f1, setup_header, loadflags),
    HEADER_FIELD(0x1f1, setup_header, code32_start),
    HEADER_FIELD(0x1f1, setup_header, initrd_addr_max),
    HEADER_FIELD(0x1f1, setup_header, kernel_alignment),
    HEADER_FIELD(0x1f1, setup_header, relocatable_kernel),
    HEADER_FIELD(0x1f1, setup_header, min_alignment),
    HEADER_FIELD(0x1f1, setup_header, xloadflags),
    HEADER_FIELD(0x1f1, setup_header, cmdline_size),
    HEADER_FIELD(0x1f1, setup_header, payload_offset),
    HEADER_FIELD(0x1f1, setup_header, payload_length),
    HEADER_FIELD(0x1f1, setup_header, setup_data),
    HEADER_FIELD(0x1f1, setup_header, pref_address),
    HEADER_FIELD(0x1f1, setup_header, init_size),
    HEADER_FIELD(0x1f1, setup_header, handover_offset),
    HEADER_FIELD(0x1f1, setup_header, kernel_info_offset),
};

const std::vector<Field> kElfHeaderFields{
    {"e_ident", 0, 4},
    {"EI_CLASS", EI_CLASS, 1},
    {"EI_DATA", EI_DATA, 1},
    {"EI_VERSION", EI_VERSION, 1},
    HEADER_FIELD(0, Elf64_Ehdr, e_type),
    HEADER_FIELD(0, Elf64_Ehdr, e_machine),
    HEADER_FIELD(0, Elf64_Ehdr, e_version),
    HEADER_FIELD(0, Elf64_Ehdr, e_entry),
    HEADER_FIELD(0, Elf64_Ehdr, e_phoff),
    HEADER_FIELD(0, Elf64_Ehdr, e_phentsize),
    HEADER_FIELD(0, Elf64_Ehdr, e_phnum),
    HEADER_FIELD(0, Elf64_Ehdr, e_shoff),
    HEADER_FIELD(0, Elf64_Ehdr, e_shnum),
};

std::vector<Field> ProgramHeaderFields(size_t index) {
  const size_t base = sizeof(Elf64_Ehdr) + index * sizeof(Elf64_Phdr);
  return {HEADER_FIELD(base, Elf64_Phdr, p_type),   HEADER_FIELD(base, Elf64_Phdr, p_offset),
          HEADER_FIELD(base, Elf64_Phdr, p_vaddr),  HEADER_FIELD(base, Elf64_Phdr, p_paddr),
          HEADER_FIELD(base, Elf64_Phdr, p_filesz), HEADER_FIELD(base, Elf64_Phdr, p_memsz),
          HEADER_FIELD(base, Elf64_Phdr, p_align)};
}

// 0, 1, the largest, their neighbours and some of no meaning.
std::vector<uint64_t> HostileValues(const Field& field) {
  const uint64_t max =
      field.size_bytes == 8 ? UINT64_MAX : (uint64_t{1} << field.size_bytes * 8) - 1;
  std::vector<uint64_t> values{0, 1, 2, max, max - 1, max / 2, max / 2 + 1};
  std::mt19937_64 random(field.offset);
  for (int i = 0; i < 32; ++i) values.push_back(random() & max);
  return values;
}

class DamagedKernelTest : public testing::Test {
 protected:
  Result<BootInfo> Boot(const Bytes& kernel) {
    const Fd kernel_fd = FileOf(kernel);
    return LoadLinux(
        *memory_,
        {.kernel_path = "kernel", .kernel = kernel_fd, .initrd_path = "initrd", .initrd = &initrd_},
        parameters_);
  }

  void ExpectEveryTruncationRefused(const Bytes& whole) {
    ASSERT_TRUE(Boot(whole).has_value());
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto info = Boot(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
      ASSERT_FALSE(info.has_value()) << size;
      ASSERT_THAT(info.error().message(), StartsWith("kernel: ")) << size;
    }
  }

  // `also`: what may be named instead, where the field decides how another one is read.
  void ExpectNamedOrLegal(const Bytes& whole, const Field& field,
                          const std::vector<std::string>& also = {}) {
    for (const uint64_t value : HostileValues(field)) {
      Bytes damaged = whole;
      SetField(damaged, field, value);
      const auto info = Boot(damaged);
      if (info) {
        ASSERT_LT(ToInteger(info->entry), kRamBytes) << field.name << " " << value;
        ASSERT_GE(ToInteger(info->entry), kMiB) << field.name << " " << value;
        continue;
      }
      const std::string& message = info.error().message();
      ASSERT_TRUE(message.starts_with("kernel: ") || message.starts_with("initrd: ")) << message;
      bool named = message.find(field.name) != std::string::npos;
      for (const std::string& other : also) named |= message.find(other) != std::string::npos;
      ASSERT_TRUE(named) << field.name << " " << value << ": " << message;
    }
  }

  std::unique_ptr<GuestMemory> memory_ = RamOf(kRamBytes);
  Fd initrd_ = FileOf(Pattern(100, 1));
  BootParameters parameters_{.command_line = "quiet"};
};

TEST_F(DamagedKernelTest, EveryTruncationOfABzImageIsAnErrorThatNamesTheFile) {
  ExpectEveryTruncationRefused(BzImageBuilder().Build());
}

TEST_F(DamagedKernelTest, EveryFieldOfABzImageIsNamedWhereItIsWrong) {
  const Bytes whole = BzImageBuilder().Build();
  for (const Field& field : kBzImageFields) ExpectNamedOrLegal(whole, field);
}

TEST_F(DamagedKernelTest, EveryFieldOfABzImageThatHasToMoveIsNamedWhereItIsWrong) {
  BzImageBuilder bz;
  bz.header.pref_address = 64 * kMiB;
  const Bytes whole = bz.Build();
  for (const Field& field : kBzImageFields) ExpectNamedOrLegal(whole, field);
}

// Headers of the segment and the notes, then both; PVH by an 8-byte note.
Bytes SmallElf() {
  ElfBuilder elf;
  elf.Load(16 * kMiB, 0x100, Pattern(256, 1), 64).Notes(0x200, PvhNote(16 * kMiB + 8));
  elf.header.e_entry = 16 * kMiB + 4;
  return elf.Build();
}

TEST_F(DamagedKernelTest, EveryTruncationOfAnElfIsAnErrorThatNamesTheFile) {
  ExpectEveryTruncationRefused(SmallElf());
  parameters_.protocol = BootProtocol::kLinux64;
  ExpectEveryTruncationRefused(SmallElf());
}

TEST_F(DamagedKernelTest, EveryFieldOfAnElfHeaderIsNamedWhereItIsWrong) {
  const Bytes whole = SmallElf();
  for (const auto protocol : {BootProtocol::kPvh, BootProtocol::kLinux64}) {
    parameters_.protocol = protocol;
    for (const Field& field : kElfHeaderFields) {
      // Without ELF's magic it is some other file; other program headers have other contents.
      const bool moves_headers =
          field.name == std::string("e_phoff") || field.name == std::string("e_phnum");
      ExpectNamedOrLegal(whole, field,
                         moves_headers
                             ? std::vector<std::string>{"program header", "PT_LOAD", "p_", "Xen 18"}
                             : std::vector<std::string>{"ELF's magic number"});
    }
  }
}

TEST_F(DamagedKernelTest, EveryFieldOfTheProgramHeadersIsNamedWhereItIsWrong) {
  const Bytes whole = SmallElf();
  for (const auto protocol : {BootProtocol::kPvh, BootProtocol::kLinux64}) {
    parameters_.protocol = protocol;
    for (const size_t index : {0U, 1U}) {
      for (const Field& field : ProgramHeaderFields(index)) {
        // A segment that is elsewhere leaves the entry out, notes that are elsewhere the note, and
        // notes that are a segment have their own address.
        ExpectNamedOrLegal(whole, field, {"PT_LOAD", "PT_NOTE", "Xen 18", "p_paddr", "initrd"});
      }
    }
  }
}

TEST_F(DamagedKernelTest, EveryFieldOfThePvhNoteIsNamedWhereItIsWrong) {
  const Bytes whole = SmallElf();
  const std::vector<Field> fields{{"n_namesz", 0x200, 4},
                                  {"n_descsz", 0x204, 4},
                                  {"Xen 18", 0x208, 4},
                                  {"Xen 18", 0x20c, 4},
                                  {"PVH entry", 0x210, 8}};
  parameters_.protocol = BootProtocol::kPvh;
  for (const Field& field : fields) ExpectNamedOrLegal(whole, field, {"Xen 18", "PT_NOTE"});
}

TEST_F(DamagedKernelTest, AnInitrdCutShortWhileItIsLoadedIsAnError) {
  const std::string path = "initrd";
  const Fd fd = FileOf(Pattern(4096, 1));
  const ImageFile file = ImageFile::Create(path, fd).value();
  ASSERT_EQ(::ftruncate(fd.get(), 4000), 0);
  const auto loaded =
      LoadInitrd(*memory_, file, GuestAddress{kMiB}, {GuestAddress{kRamBytes}, "RAM"});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_THAT(loaded.error().message(), StartsWith("initrd: "));
}

}  // namespace
}  // namespace ember::firmware
