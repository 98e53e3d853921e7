#include "vmm/snapshot/snapshot_files.h"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/concat.h"
#include "memory/dirty_pages.h"
#include "snapshot/fields.h"
#include "snapshot/new_file.h"
#include "snapshot/state_file.h"

namespace ember::vmm {
namespace {

// A place of the memory as its file has it.
struct FilePlace {
  size_t piece = 0;
  uint64_t offset_bytes = 0;        // in the file
  uint64_t piece_offset_bytes = 0;  // in the piece
};

FilePlace PlaceOf(const GuestMemory& memory, GuestAddress at) {
  const std::vector<snapshot::MemoryPiece> pieces = snapshot::PiecesOf(memory);
  size_t i = 0;
  while (i < pieces.size() && !pieces[i].region.range.Contains(at)) ++i;
  EMBER_CHECK(i < pieces.size());
  const uint64_t inside = ToInteger(at) - ToInteger(pieces[i].region.range.start);
  return {.piece = i,
          .offset_bytes = pieces[i].file_offset_bytes + inside,
          .piece_offset_bytes = inside};
}

struct FilePlaces {
  FilePlace name;
  FilePlace full;
};

FilePlaces PlacesOf(const GuestMemory& memory, const NamePlaces& places) {
  return {.name = PlaceOf(memory, places.name), .full = PlaceOf(memory, places.full)};
}

// The byte of a diff's page bits for the page of `place`, and the bit in it.
std::byte& BitsOf(DiffState& diff, const FilePlace& place) {
  return diff.pages[place.piece][place.piece_offset_bytes / DirtyPages::kPageBytes / 8];
}
std::byte BitOf(const FilePlace& place) {
  return std::byte{1} << (place.piece_offset_bytes / DirtyPages::kPageBytes % 8);
}

Status WriteName(const Fd& file, const SnapshotName& name, uint64_t offset_bytes) {
  const ssize_t count =
      ::pwrite(file.get(), name.data(), name.size(), static_cast<off_t>(offset_bytes));
  if (count < 0) return Error::FromErrno("pwrite");
  if (static_cast<size_t>(count) < name.size()) return Error("the disk took only part of a name");
  return {};
}

Result<snapshot::NewFile> WriteMemoryFile(const std::string& path, const SavedMachine& state,
                                          const GuestMemory& memory, const FilePlaces& places,
                                          const snapshot::MemorySource& source) {
  snapshot::NewFile file = TRY(snapshot::NewFile::Create(path, ToText(state.name)));
  if (state.diff) {
    const snapshot::PageBits pages = TRY(ToPageBits(state.diff->pages, snapshot::PiecesOf(memory)));
    TRY_CONTEXT(snapshot::WriteMemory(memory, pages, file.fd(), source), file.temporary_path());
  } else {
    TRY_CONTEXT(snapshot::WriteMemory(memory, file.fd(), source), file.temporary_path());
  }
  TRY_CONTEXT(WriteName(file.fd(), state.name, places.name.offset_bytes), file.temporary_path());
  if (!state.diff) {
    TRY_CONTEXT(WriteName(file.fd(), state.name, places.full.offset_bytes), file.temporary_path());
  }
  TRY(file.Sync());
  return file;
}

Result<SavedMachine> ToMachine(const snapshot::StateFile& file, const std::string& name) {
  return TRY_CONTEXT(snapshot::FromTree<SavedMachine>(file.root, file.version), name);
}

bool HasName(const Fd& file, const SnapshotName& name, uint64_t offset_bytes) {
  SnapshotName found;
  return ReadExactAt(file, offset_bytes, found).has_value() && found == name;
}

Error NotMerged(const std::string& memory) {
  return Error(Concat(memory, " is a diff that was not merged into what it is based on"));
}

Result<MemoryFile> FindMemoryFile(const SnapshotPaths& paths, const SnapshotName& name,
                                  uint64_t offset_bytes) {
  Result<Fd> file = OpenFile(paths.memory, Access::kReadOnly);
  if (file && HasName(*file, name, offset_bytes)) {
    return MemoryFile{.file = *std::move(file), .path = paths.memory};
  }
  std::string other_path = Concat(paths.memory, ".", ToText(name));
  Result<Fd> other = OpenFile(other_path, Access::kReadOnly);
  if (other && HasName(*other, name, offset_bytes)) {
    return MemoryFile{.file = *std::move(other), .path = std::move(other_path)};
  }
  if (!file) return std::move(file).error();
  return Error(Concat(paths.memory, " is not the memory of the snapshot at ", paths.state));
}

}  // namespace

std::string ToText(const SnapshotName& name) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : name) {
    const auto value = std::to_integer<unsigned>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 0xf];
  }
  return text;
}

Result<SnapshotName> MakeSnapshotName() {
  SnapshotName name;
  const ssize_t count = ::getrandom(name.data(), name.size(), GRND_NONBLOCK);
  if (count != static_cast<ssize_t>(name.size())) return Error::FromErrno("getrandom");
  return name;
}

Status WriteSnapshot(const SnapshotPaths& paths, SavedMachine state, const GuestMemory& memory,
                     const NamePlaces& name_places, const snapshot::MemorySource& source) {
  const FilePlaces places = PlacesOf(memory, name_places);
  if (state.diff) {
    BitsOf(*state.diff, places.name) |= BitOf(places.name);
    // Whatever the guest did there.
    BitsOf(*state.diff, places.full) &= ~BitOf(places.full);
  }
  snapshot::NewFile memory_file = TRY(WriteMemoryFile(paths.memory, state, memory, places, source));
  snapshot::NewFile state_file =
      TRY(snapshot::WriteStateFile(paths.state, ToText(state.name), snapshot::ToTree(state)));
  Status published = state_file.Publish();
  // Once the state has its name readers look for this memory, by either name.
  if (state_file.temporary_path().empty()) memory_file.Keep();
  if (!published) return published;
  return memory_file.Publish();
}

Result<std::vector<std::byte>> EncodeMachineState(const SavedMachine& state) {
  return snapshot::EncodeStateFile(snapshot::ToTree(state));
}

Result<SavedMachine> ReadMachineState(const std::string& path) {
  return ToMachine(TRY(snapshot::ReadStateFile(path)), path);
}

Result<SavedMachine> ReadMachineState(const Fd& file, const std::string& name) {
  return ToMachine(TRY(snapshot::ReadStateFile(file, name)), name);
}

Result<MemoryFile> OpenMemoryFile(const SnapshotPaths& paths, const SavedMachine& state,
                                  const GuestMemory& memory, const NamePlaces& name_places) {
  const FilePlaces places = PlacesOf(memory, name_places);
  Result<MemoryFile> found = FindMemoryFile(paths, state.name, places.name.offset_bytes);
  if (!found || !state.diff) return found;
  if (HasName(found->file, state.diff->full, places.full.offset_bytes)) return found;
  return NotMerged(found->path);
}

Status CheckNames(const GuestMemory& memory, const SavedMachine& state, const NamePlaces& places,
                  const std::string& source) {
  if (TRY(memory.Read<SnapshotName>(places.name)) != state.name) {
    return Error(Concat(source, " is not the memory of the snapshot"));
  }
  if (!state.diff || TRY(memory.Read<SnapshotName>(places.full)) == state.diff->full) return {};
  return NotMerged(source);
}

}  // namespace ember::vmm
