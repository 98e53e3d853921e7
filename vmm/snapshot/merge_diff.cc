#include "vmm/snapshot/merge_diff.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "memory/dirty_pages.h"
#include "memory/layout.h"
#include "snapshot/copy_file.h"
#include "snapshot/memory_file.h"
#include "snapshot/new_file.h"
#include "vmm/board.h"
#include "vmm/config_json.h"
#include "vmm/snapshot/saved_memory.h"

namespace ember::vmm {
namespace {

// No more than addresses: nothing of it is ever touched.
Result<std::unique_ptr<GuestMemory>> MakeLayout(const SavedMachine& state) {
  constexpr uint64_t kMib = uint64_t{1024} * 1024;
  const VmConfig config = TRY(ParseSavedConfig(state.config));
  GuestMemory::Options options;
  options.pluggable = TRY(PluggableOf(state, config));
  return GuestMemory::Create(RamRanges(config.machine.mem_size_mib * kMib), options);
}

// Copies the pages whose bits are set. Returns how many bytes that was.
Result<uint64_t> CopyPages(const Fd& from, const Fd& to, const snapshot::MemoryPiece& piece,
                           const std::vector<uint64_t>& bits) {
  uint64_t copied = 0;
  for (const GuestRange& run : snapshot::RunsOf(piece, bits)) {
    const uint64_t offset = ToInteger(run.start) - ToInteger(piece.region.range.start);
    TRY(snapshot::CopyRange(from, to, piece.file_offset_bytes + offset, run.size_bytes));
    copied += run.size_bytes;
  }
  return copied;
}

// For errors; nobody has the state itself.
std::string BaseName(const DiffMerge& files) {
  return Concat("what ", files.diff.state, " is based on");
}

Status CheckLength(const MemoryFile& memory, uint64_t wanted) {
  const uint64_t actual = TRY(FileSize(memory.file, memory.path));
  if (actual == wanted) return {};
  return Error(Concat(memory.path, " is ", actual, " bytes long, the machine's memory ", wanted));
}

}  // namespace

Result<uint64_t> MergeDiff(const DiffMerge& files) {
  const SavedMachine state = TRY(ReadMachineState(files.diff.state));
  const auto layout = TRY_CONTEXT(MakeLayout(state), files.diff.state);
  return MergeDiff(files, state, *layout, Board::snapshot_names());
}

Result<uint64_t> MergeDiff(const DiffMerge& files, const SavedMachine& state,
                           const GuestMemory& layout, const NamePlaces& places) {
  if (!state.diff) return Error(Concat(files.diff.state, " is no diff: it is whole"));
  const std::vector<snapshot::MemoryPiece> pieces = snapshot::PiecesOf(layout);
  const snapshot::PageBits pages =
      TRY_CONTEXT(ToPageBits(state.diff->pages, pieces), files.diff.state);
  const uint64_t length = snapshot::MemoryFileBytes(layout);
  // By its name alone: it is not to be merged yet.
  const MemoryFile diff = TRY(OpenMemoryFile(files.diff, {.name = state.name}, layout, places));
  TRY(CheckLength(diff, length));
  const SavedMachine before{.name = state.diff->base, .diff = DiffState{.full = state.diff->full}};
  const MemoryFile base = TRY(OpenMemoryFile(
      {.state = BaseName(files), .memory = files.base_memory}, before, layout, places));
  TRY(CheckLength(base, length));

  const SnapshotName suffix = TRY(MakeSnapshotName());
  snapshot::NewFile out = TRY(snapshot::NewFile::Create(files.out, ToText(suffix)));
  TRY_CONTEXT(snapshot::CopyFile(base.file, out.fd(), length), out.temporary_path());
  uint64_t copied = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    copied +=
        TRY_CONTEXT(CopyPages(diff.file, out.fd(), pieces[i], pages[i]), out.temporary_path());
  }
  TRY(out.Sync());
  TRY(out.Publish());
  return copied;
}

}  // namespace ember::vmm
