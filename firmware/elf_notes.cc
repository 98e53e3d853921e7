#include <elf.h>

#include <algorithm>
#include <span>

#include "base/concat.h"
#include "base/endian.h"
#include "firmware/elf_image.h"

namespace ember::firmware {
namespace {

// A kernel's notes take some hundred bytes; of a hostile file no more than this is read.
constexpr uint64_t kMaxNotesBytes = 64 << 10;

struct Note {
  std::span<const std::byte> owner;  // with its closing zero
  uint32_t type = 0;
  std::span<const std::byte> description;

  bool IsOf(std::string_view wanted) const {
    const auto letter = [](std::byte byte) { return static_cast<char>(byte); };
    return owner.size() == wanted.size() + 1 && owner.back() == std::byte{0} &&
           std::ranges::equal(owner.first(wanted.size()), wanted, {}, letter);
  }
};

// Takes the first note off `rest`, which is not empty. Sizes in notes are of 32 bits, so that their
// sums in 64 cannot wrap.
Result<Note> TakeNote(const ImageFile& file, std::span<const std::byte>& rest, uint64_t alignment) {
  constexpr uint64_t kHeaderBytes = sizeof(Elf64_Nhdr);
  const auto align = [alignment](uint64_t n) { return (n + alignment - 1) & ~(alignment - 1); };
  if (rest.size() < kHeaderBytes) {
    return file.Wrong(Concat("PT_NOTE ends with ", rest.size(), " bytes, fewer than the ",
                             kHeaderBytes, " of a note's header"));
  }
  const uint64_t owner_bytes = LoadLe<uint32_t>(rest);
  const uint64_t description_bytes = LoadLe<uint32_t>(rest.subspan(4));
  const auto type = LoadLe<uint32_t>(rest.subspan(8));
  if (owner_bytes > rest.size() - kHeaderBytes) {
    return file.Wrong(Concat("n_namesz ", owner_bytes, " exceeds the ", rest.size() - kHeaderBytes,
                             " bytes left in PT_NOTE"));
  }
  const uint64_t description_at = std::min(align(kHeaderBytes + owner_bytes), rest.size());
  if (description_bytes > rest.size() - description_at) {
    return file.Wrong(Concat("n_descsz ", description_bytes, " exceeds the ",
                             rest.size() - description_at, " bytes left in PT_NOTE"));
  }
  const Note note{.owner = rest.subspan(kHeaderBytes, owner_bytes),
                  .type = type,
                  .description = rest.subspan(description_at, description_bytes)};
  rest = rest.subspan(std::min(align(description_at + description_bytes), rest.size()));
  return note;
}

}  // namespace

Result<std::optional<std::vector<std::byte>>> FindElfNote(const ImageFile& file,
                                                          const ElfImage& image,
                                                          std::string_view owner, uint32_t type) {
  for (const ElfImage::Notes& notes : image.notes) {
    if (notes.size_bytes > kMaxNotesBytes) {
      return file.Wrong(Concat("p_filesz ", notes.size_bytes, " of a PT_NOTE exceeds the limit ",
                               kMaxNotesBytes));
    }
    std::vector<std::byte> bytes(notes.size_bytes);
    TRY(file.Read(notes.file_offset, bytes, "PT_NOTE"));
    std::span<const std::byte> rest = bytes;
    while (!rest.empty()) {
      const Note note = TRY(TakeNote(file, rest, notes.alignment));
      if (note.type == type && note.IsOf(owner)) {
        return std::vector<std::byte>(note.description.begin(), note.description.end());
      }
    }
  }
  return std::nullopt;
}

}  // namespace ember::firmware
