#ifndef EMBER_SNAPSHOT_MEMORY_FILE_H_
#define EMBER_SNAPSHOT_MEMORY_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_memory.h"

// Guest memory as a file: its regions one after the other, and pluggable memory behind them, byte
// for byte; pages of zeros are holes. docs/formats/snapshot.md. For a paused machine; any thread.
namespace ember::snapshot {

// A region of guest memory and its place in the file.
struct MemoryPiece {
  GuestMemory::Region region;
  uint64_t file_offset_bytes = 0;
};
// In the order of their addresses.
std::vector<MemoryPiece> PiecesOf(const GuestMemory& memory);
// How long the file of such a memory is, to the byte.
uint64_t MemoryFileBytes(const GuestMemory& memory);

// One bit for each page of DirtyPages::kPageBytes, for each of the pieces, as KVM_GET_DIRTY_LOG
// gives them.
using PageBits = std::vector<std::vector<uint64_t>>;
// The ranges of a piece whose pages have their bits set, each as long as it can be; of `bits` there
// are enough for the piece.
std::vector<GuestRange> RunsOf(const MemoryPiece& piece, std::span<const uint64_t> bits);

// What a memory was made from.
struct MemorySource {
  const Fd* file = nullptr;  // LoadMemory()'s, where it was
  bool by_faults = false;    // another process delivers it (memory/user_faults.h)
};
// Writes everything but pages of zeros into an empty file. Takes no memory that the guest does not
// have already, but where another process has it. Returns how many bytes are in the file, holes not
// counted.
Result<uint64_t> WriteMemory(const GuestMemory& memory, const Fd& file,
                             const MemorySource& source = {});
// Writes the pages whose bits are set, zeros or not, into an empty file of the same length, for
// what has changed since another file was written.
Result<uint64_t> WriteMemory(const GuestMemory& memory, const PageBits& pages, const Fd& file,
                             const MemorySource& source = {});

// Makes the memory of a new machine what the file holds. Anonymous memory becomes a private mapping
// of it: nothing is read now, what the guest writes stays the guest's, and who writes to the file
// or shortens it while the machine lives breaks the guest. Other memory is read. `path` is for
// errors; one is a length that is not that of the memory.
Status LoadMemory(const GuestMemory& memory, const Fd& file, const std::string& path);

// The last of these: the file is as long as the memory.
Status CheckLength(const GuestMemory& memory, const Fd& file, const std::string& path);

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_MEMORY_FILE_H_
