#include "firmware/elf_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/firmware/elf_builder.h"
#include "tests/firmware/image_bytes.h"

namespace ember::firmware {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr uint64_t kMiB = 1 << 20;
constexpr GuestRange kRoom{GuestAddress{kMiB}, 15 * kMiB};

// Runs the steps of loading over an image in a file named "kernel".
class ElfImageTest : public testing::Test {
 protected:
  void Use(const Bytes& bytes) { fd_ = FileOf(bytes); }
  ImageFile File() { return ImageFile::Create(path_, fd_).value(); }
  Result<ElfImage> Read() { return ReadElf(File(), EM_X86_64); }
  std::string ReadError() {
    const auto image = Read();
    return image ? "no error" : image.error().message();
  }
  Status Load() { return LoadElf(*memory_, File(), TRY(Read()), kRoom); }
  std::string LoadError() {
    const Status loaded = Load();
    return loaded ? "no error" : loaded.error().message();
  }

  const std::string path_ = "kernel";
  Fd fd_;
  std::unique_ptr<GuestMemory> memory_ = RamOf(16 * kMiB);
};

TEST_F(ElfImageTest, SegmentsGoToTheirPhysicalAddressesAndZerosFollow) {
  const Bytes text = Pattern(5000, 1);
  const Bytes data = Pattern(77, 2);
  ElfBuilder elf;
  elf.Load(4 * kMiB, 0x3000, data, 4096).Load(2 * kMiB, 0x1000, text);
  elf.header.e_entry = 2 * kMiB + 16;
  Use(elf.Build());
  const ElfImage image = Read().value();
  EXPECT_EQ(image.entry, GuestAddress{2 * kMiB + 16});
  EXPECT_THAT(image.segments, SizeIs(2));
  EXPECT_EQ(image.Extent(), (GuestRange{GuestAddress{2 * kMiB}, 2 * kMiB + 77 + 4096}));
  ASSERT_TRUE(Load().has_value());
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{2 * kMiB}, text.size()), text);
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{4 * kMiB}, data.size()), data);
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{4 * kMiB + 77}, 8192), Bytes(8192));
}

TEST_F(ElfImageTest, CodeIsWhatTheFileFillsAndNotTheZerosAfterIt) {
  Use(ElfBuilder().Load(2 * kMiB, 0x1000, Pattern(100, 0), 50).Build());
  const ElfImage image = Read().value();
  EXPECT_FALSE(image.HoldsCode(GuestAddress{2 * kMiB - 1}));
  EXPECT_TRUE(image.HoldsCode(GuestAddress{2 * kMiB}));
  EXPECT_TRUE(image.HoldsCode(GuestAddress{2 * kMiB + 99}));
  EXPECT_FALSE(image.HoldsCode(GuestAddress{2 * kMiB + 100}));
}

TEST_F(ElfImageTest, SegmentsThatTouchDoNotOverlap) {
  Use(ElfBuilder()
          .Load(2 * kMiB, 0x1000, Pattern(16, 0))
          .Load(2 * kMiB + 16, 0x1010, Pattern(16, 1))
          .Build());
  EXPECT_TRUE(Load().has_value());
}

TEST_F(ElfImageTest, SegmentsThatOverlapAreRefused) {
  Use(ElfBuilder()
          .Load(2 * kMiB, 0x1000, Pattern(16, 0))
          .Load(2 * kMiB + 15, 0x1010, Pattern(16, 1))
          .Build());
  EXPECT_THAT(ReadError(), HasSubstr("p_paddr 0x20000f of a PT_LOAD is within another one's"));
}

TEST_F(ElfImageTest, ASegmentMustLieWithinTheRoom) {
  for (const uint64_t start :
       {uint64_t{0}, kMiB - 1, 16 * kMiB - 15, 16 * kMiB, uint64_t{1} << 40}) {
    Use(ElfBuilder().Load(start, 0x1000, Pattern(16, 0)).Build());
    EXPECT_THAT(LoadError(), HasSubstr("is not within the RAM from 0x100000 to 0x1000000"))
        << start;
  }
  Use(ElfBuilder().Load(16 * kMiB - 16, 0x1000, Pattern(16, 0)).Build());
  EXPECT_TRUE(Load().has_value());
}

TEST_F(ElfImageTest, NothingIsLoadedWhenOneSegmentDoesNotFit) {
  Use(ElfBuilder()
          .Load(2 * kMiB, 0x1000, Pattern(16, 0))
          .Load(16 * kMiB, 0x2000, Pattern(16, 0))
          .Build());
  EXPECT_FALSE(Load().has_value());
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{2 * kMiB}, 16), Bytes(16));
}

TEST_F(ElfImageTest, ASegmentThatWrapsRoundTheAddressSpaceIsRefused) {
  ElfBuilder elf;
  elf.Load(2 * kMiB, 0x1000, Pattern(16, 0));
  elf.pieces[0].header.p_memsz = UINT64_MAX - 2 * kMiB + 1;
  Use(elf.Build());
  EXPECT_THAT(ReadError(), HasSubstr("p_memsz 0xffffffffffe00000 does not end below 2^64"));
}

TEST_F(ElfImageTest, FileBytesPastTheFileAreRefused) {
  ElfBuilder elf;
  elf.Load(2 * kMiB, 0x1000, Pattern(16, 0));
  elf.pieces[0].header.p_filesz = elf.pieces[0].header.p_memsz = 17;
  Use(elf.Build());
  EXPECT_THAT(ReadError(), HasSubstr("program header 0 p_offset 0x1000 plus p_filesz 17"));
}

TEST_F(ElfImageTest, OfOtherKindsOfFileTheFieldIsNamed) {
  ElfBuilder elf;
  elf.Load(2 * kMiB, 0x1000, Pattern(16, 0));
  elf.header.e_machine = EM_AARCH64;
  Use(elf.Build());
  EXPECT_EQ(ReadError(), "kernel: e_machine is 183, not 62");
  elf.header.e_machine = EM_X86_64;
  elf.header.e_ident[EI_CLASS] = ELFCLASS32;
  Use(elf.Build());
  EXPECT_EQ(ReadError(), "kernel: e_ident[EI_CLASS] is 1, not 2");
  elf.header.e_ident[EI_CLASS] = ELFCLASS64;
  elf.header.e_type = ET_REL;
  Use(elf.Build());
  EXPECT_EQ(ReadError(), "kernel: e_type is 1, neither 2 nor 3");
}

TEST_F(ElfImageTest, AFileWithNoSegmentToLoadIsRefused) {
  Use(ElfBuilder().Notes(0x1000, Note("Linux", 1, {})).Build());
  EXPECT_THAT(ReadError(), HasSubstr("PT_LOAD"));
}

class ElfNoteTest : public ElfImageTest {
 protected:
  void UseNotes(const Bytes& notes) {
    Use(ElfBuilder().Load(2 * kMiB, 0x1000, Pattern(16, 0)).Notes(0x2000, notes).Build());
  }
  Result<std::optional<Bytes>> Find() { return FindElfNote(File(), TRY(Read()), "Xen", 18); }
  std::string FindError() {
    const auto note = Find();
    return note ? "no error" : note.error().message();
  }
};

TEST_F(ElfNoteTest, ANoteIsFoundAmongOthersByOwnerAndType) {
  Bytes notes = Note("Linux", 18, Pattern(5, 1));
  Put(notes, notes.size(), Note("Xen", 17, Pattern(6, 2)));
  Put(notes, notes.size(), Note("Xen", 18, Pattern(7, 3)));
  Put(notes, notes.size(), Note("Xen", 18, Pattern(8, 4)));
  UseNotes(notes);
  EXPECT_EQ(Find().value(), Pattern(7, 3));
}

TEST_F(ElfNoteTest, WithoutTheNoteThereIsNoneAndNoError) {
  UseNotes(Note("Xenon", 18, Pattern(4, 1)));
  EXPECT_EQ(Find().value(), std::nullopt);
  Use(ElfBuilder().Load(2 * kMiB, 0x1000, Pattern(16, 0)).Build());
  EXPECT_EQ(Find().value(), std::nullopt);
}

TEST_F(ElfNoteTest, TheLastNoteNeedsNoPadding) {
  Bytes notes = Note("Xen", 18, Pattern(4, 1));
  SetField(notes, {"n_descsz", 4, 4}, 3);
  notes.pop_back();
  UseNotes(notes);
  EXPECT_THAT(Find().value(), testing::Optional(SizeIs(3)));
}

TEST_F(ElfNoteTest, EveryTruncationOfANoteIsAnErrorOrNoNote) {
  const Bytes whole = Note("Xen", 18, Pattern(8, 1));
  for (size_t size = 1; size < whole.size(); ++size) {
    UseNotes(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_THAT(FindError(), StartsWith("kernel: ")) << size;
  }
}

TEST_F(ElfNoteTest, SizesOfANoteBeyondItsSegmentAreNamed) {
  Bytes notes = Note("Xen", 18, Pattern(8, 1));
  SetField(notes, {"n_namesz", 0, 4}, UINT32_MAX);
  UseNotes(notes);
  EXPECT_EQ(FindError(), "kernel: n_namesz 4294967295 exceeds the 12 bytes left in PT_NOTE");
  notes = Note("Xen", 18, Pattern(8, 1));
  SetField(notes, {"n_descsz", 4, 4}, 9);
  UseNotes(notes);
  EXPECT_EQ(FindError(), "kernel: n_descsz 9 exceeds the 8 bytes left in PT_NOTE");
}

TEST_F(ElfNoteTest, NotesAreReadUpToALimit) {
  Bytes notes((64 << 10) + 1);
  UseNotes(notes);
  EXPECT_EQ(FindError(), "kernel: p_filesz 65537 of a PT_NOTE exceeds the limit 65536");
}

}  // namespace
}  // namespace ember::firmware
