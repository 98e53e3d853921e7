#include "firmware/x86_64/bzimage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <optional>
#include <span>

#include "base/concat.h"
#include "base/endian.h"

namespace ember::firmware::x86_64 {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kMagicOffset = kSetupHeaderOffset + offsetof(setup_header, header);
// The header's length is in its jump instruction, whose displacement counts from here.
constexpr uint64_t kJumpEnd = kMagicOffset;
// Protocol 2.12 needs every field up to init_size.
constexpr uint64_t kLeastHeaderEnd = kSetupHeaderOffset + offsetof(setup_header, handover_offset);
constexpr uint16_t kLeastVersion = 0x020c;
constexpr uint64_t kSyssizeUnitBytes = 16;
// Before it lies 32-bit code; after it the 64-bit entry.
constexpr uint64_t kEntryOffset = 0x200;

// Reads as much of the header as its own length says.
Result<SetupHeader> ReadHeader(const ImageFile& file) {
  std::array<std::byte, 1> displacement;
  TRY(file.Read(kJumpEnd - 1, displacement, "setup header's jump"));
  const uint64_t end = kJumpEnd + std::to_integer<uint64_t>(displacement[0]);
  if (end < kLeastHeaderEnd || end > kSetupHeaderOffset + kSetupHeaderRoomBytes) {
    return file.Wrong(Concat("jump says that the setup header ends at ", Hex{end}, ", not between ",
                             Hex{kLeastHeaderEnd}, " and ",
                             Hex{kSetupHeaderOffset + kSetupHeaderRoomBytes}));
  }
  std::array<std::byte, kSetupHeaderRoomBytes> bytes{};
  static_assert(sizeof(SetupHeader) == sizeof(bytes));
  TRY(file.Read(kSetupHeaderOffset, std::span(bytes).first(end - kSetupHeaderOffset),
                "setup header"));
  return std::bit_cast<SetupHeader>(bytes);
}

Status CheckHeader(const ImageFile& file, const setup_header& header) {
  if (header.header != kSetupHeaderMagic) {
    return file.Wrong(Concat("header is ", Hex{header.header}, ", not ", Hex{kSetupHeaderMagic}));
  }
  if (header.boot_flag != kBootFlag) {
    return file.Wrong(Concat("boot_flag is ", Hex{header.boot_flag}, ", not ", Hex{kBootFlag}));
  }
  if (header.version < kLeastVersion) {
    return file.Wrong(Concat("version ", Hex{header.version}, " of the boot protocol is below ",
                             Hex{kLeastVersion}));
  }
  if ((header.loadflags & LOADED_HIGH) == 0) {
    return file.Wrong(
        Concat("loadflags ", Hex{header.loadflags}, " lacks LOADED_HIGH, ", Hex{LOADED_HIGH}));
  }
  if ((header.xloadflags & XLF_KERNEL_64) == 0) {
    return file.Wrong(Concat("xloadflags ", Hex{header.xloadflags}, " lacks XLF_KERNEL_64, ",
                             Hex{XLF_KERNEL_64}, ": it has no 64-bit entry"));
  }
  return {};
}

Status CheckSizes(const ImageFile& file, const BzImage& image) {
  if (!file.Holds(image.file_offset, image.file_bytes)) {
    return file.Wrong(Concat("setup_sects puts the kernel at ", image.file_offset,
                             ", and syssize makes it ", image.file_bytes,
                             " bytes, past the file's ", file.size_bytes(), " bytes"));
  }
  if (image.file_bytes <= kEntryOffset) {
    return file.Wrong(Concat("syssize makes the kernel ", image.file_bytes,
                             " bytes, which do not reach its entry at ", kEntryOffset));
  }
  const uint64_t init_size = image.header.fields.init_size;
  if (init_size < image.file_bytes) {
    return file.Wrong(Concat("init_size ", init_size, " is less than the ", image.file_bytes,
                             " bytes that syssize says"));
  }
  return {};
}

bool Fits(const GuestRange& room, uint64_t start, uint64_t len) {
  return room.Contains(GuestAddress{start}) && len <= ToInteger(room.end()) - start;
}

Error NoRoom(const ImageFile& file, const setup_header& header, const GuestRange& room,
             std::string_view reason) {
  return file.Wrong(Concat("init_size ", uint64_t{header.init_size}, " from pref_address ",
                           Hex{header.pref_address}, " is not within the RAM from ", room.start,
                           " to ", room.end(), reason));
}

Result<GuestRange> ChooseRange(const ImageFile& file, const setup_header& header,
                               const GuestRange& room) {
  const uint64_t init_size = header.init_size;
  const uint64_t preferred = header.pref_address;
  if (Fits(room, preferred, init_size)) return GuestRange{GuestAddress{preferred}, init_size};
  if (header.relocatable_kernel == 0) {
    return NoRoom(file, header, room, ", and relocatable_kernel is 0");
  }
  const uint64_t alignment = header.kernel_alignment;
  if (!std::has_single_bit(alignment)) {
    return file.Wrong(Concat("kernel_alignment ", Hex{alignment}, " is not a power of two"));
  }
  const uint64_t lowest = (ToInteger(room.start) + alignment - 1) & ~(alignment - 1);
  if (!Fits(room, lowest, init_size)) {
    return NoRoom(file, header, room,
                  Concat(", nor from ", Hex{lowest}, " where kernel_alignment lets it be moved"));
  }
  return GuestRange{GuestAddress{lowest}, init_size};
}

}  // namespace

bool IsBzImage(const ImageFile& file) {
  std::array<std::byte, sizeof(uint32_t)> magic;
  return file.Read(kMagicOffset, magic, "setup header") &&
         LoadLe<uint32_t>(magic) == kSetupHeaderMagic;
}

Result<BzImage> ReadBzImage(const ImageFile& file) {
  BzImage image{.header = TRY(ReadHeader(file))};
  const setup_header& header = image.header.fields;
  TRY(CheckHeader(file, header));
  // 0 means 4, from a time before the field.
  const uint64_t setup_sectors = header.setup_sects == 0 ? 4 : header.setup_sects;
  image.file_offset = (1 + setup_sectors) * kSectorBytes;
  image.file_bytes = header.syssize * kSyssizeUnitBytes;
  TRY(CheckSizes(file, image));
  return image;
}

Result<GuestRange> LoadBzImage(const GuestMemory& memory, const ImageFile& file,
                               const BzImage& image, const GuestRange& room) {
  const GuestRange range = TRY(ChooseRange(file, image.header.fields, room));
  TRY(file.Load(memory, range.start, image.file_offset, image.file_bytes));
  return range;
}

}  // namespace ember::firmware::x86_64
