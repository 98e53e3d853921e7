#include "snapshot/memory_file.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/check.h"
#include "base/concat.h"
#include "base/file_ranges.h"
#include "memory/held_ranges.h"

namespace ember::snapshot {
namespace {

constexpr uint64_t kPageBytes = DirtyPages::kPageBytes;
constexpr uint64_t kBitsPerWord = 64;
// Of what is copied at once where the guest's memory itself must not be looked at.
constexpr uint64_t kBounceBytes = uint64_t{1} << 20;

bool IsZero(std::span<const std::byte> page) {
  // All are what the one before is, and the first is zero.
  return page.front() == std::byte{0} &&
         std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

enum class Zeros { kLeaveOut, kWrite };

// Puts pieces of guest memory into the file.
class Writer {
 public:
  Writer(const GuestMemory& memory, const MemorySource& source, const Fd& file, Zeros zeros)
      : by_file_(memory.backing() == MemoryBacking::kHugetlbfs2M && !source.by_faults),
        file_(file),
        zeros_(zeros) {}

  // A range of whole pages of the piece.
  Status Write(const MemoryPiece& piece, const GuestRange& range) {
    const uint64_t offset = ToInteger(range.start) - ToInteger(piece.region.range.start);
    const uint64_t file_offset = piece.file_offset_bytes + offset;
    if (!by_file_) return WriteBytes(file_offset, {piece.region.host + offset, range.size_bytes});
    return WriteThroughBounce(piece.region, offset, {.at = file_offset, .len = range.size_bytes});
  }
  uint64_t written_bytes() const { return written_bytes_; }

 private:
  struct Place {
    uint64_t at;
    uint64_t len;
  };

  // A look at a huge page that is not there would take one from the host; a read of its file does
  // not, and would not have another process deliver it either.
  Status WriteThroughBounce(const GuestMemory::Region& region, uint64_t offset,
                            const Place& place) {
    bounce_.resize(kBounceBytes);
    for (uint64_t done = 0; done < place.len;) {
      const std::span<std::byte> part =
          std::span(bounce_).first(std::min(place.len - done, kBounceBytes));
      TRY(ReadMemfd(region.memfd, region.memfd_offset_bytes + offset + done, part));
      TRY(WriteBytes(place.at + done, part));
      done += part.size();
    }
    return {};
  }

  static Status ReadMemfd(int memfd, uint64_t offset, std::span<std::byte> out) {
    while (!out.empty()) {
      const ssize_t count = ::pread(memfd, out.data(), out.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error::FromErrno("read of guest memory");
      if (count == 0) return Error("guest memory's file is shorter than the memory");
      offset += static_cast<uint64_t>(count);
      out = out.subspan(static_cast<size_t>(count));
    }
    return {};
  }

  // In as few writes as pages of zeros leave.
  Status WriteBytes(uint64_t file_offset, std::span<const std::byte> bytes) {
    if (zeros_ == Zeros::kWrite) return WriteRun(file_offset, bytes);
    size_t run = 0;  // where pages that are not zeros began
    for (size_t at = 0; at < bytes.size(); at += kPageBytes) {
      if (!IsZero(bytes.subspan(at, kPageBytes))) continue;
      TRY(WriteRun(file_offset + run, bytes.subspan(run, at - run)));
      run = at + kPageBytes;
    }
    return WriteRun(file_offset + run, bytes.subspan(run));
  }

  Status WriteRun(uint64_t file_offset, std::span<const std::byte> bytes) {
    TRY(WriteAllAt(file_, file_offset, bytes));
    written_bytes_ += bytes.size();
    return {};
  }

  const bool by_file_;
  const Fd& file_;
  const Zeros zeros_;
  uint64_t written_bytes_ = 0;
  std::vector<std::byte> bounce_;
};

Status SetLength(const Fd& file, uint64_t length) {
  if (::ftruncate(file.get(), static_cast<off_t>(length)) < 0) {
    return Error::FromErrno(Concat("a file of ", length, " bytes"));
  }
  return {};
}

// Where the next set bit from `from` on is, or the next clear one; `count` where there is none.
uint64_t FindBit(std::span<const uint64_t> words, uint64_t from, uint64_t count, bool set) {
  for (uint64_t bit = from; bit < count; bit = (bit / kBitsPerWord + 1) * kBitsPerWord) {
    const uint64_t word = set ? words[bit / kBitsPerWord] : ~words[bit / kBitsPerWord];
    const uint64_t left = word >> (bit % kBitsPerWord);
    if (left != 0) return std::min(count, bit + static_cast<uint64_t>(std::countr_zero(left)));
  }
  return count;
}

// Into memory that is zeros: holes are passed over.
Status ReadPiece(const MemoryPiece& piece, const Fd& file) {
  const FileRange all{.offset_bytes = piece.file_offset_bytes,
                      .size_bytes = piece.region.range.size_bytes};
  const std::vector<FileRange> ranges = TRY(DataRanges(file.get(), all));
  for (const FileRange& data : ranges) {
    std::byte* const host = piece.region.host + (data.offset_bytes - all.offset_bytes);
    TRY(ReadExactAt(file, data.offset_bytes, {host, data.size_bytes}));
  }
  return {};
}

bool IsPrivateRam(const GuestMemory& memory, const MemoryPiece& piece) {
  return memory.backing() == MemoryBacking::kAnonymous &&
         !(memory.pluggable() != nullptr && piece.region.host == memory.pluggable()->host());
}

Status Load(const GuestMemory& memory, const Fd& file) {
  for (const MemoryPiece& piece : PiecesOf(memory)) {
    if (IsPrivateRam(memory, piece)) {
      TRY(memory.MapFilePrivately(piece.region.range.start, file, piece.file_offset_bytes,
                                  piece.region.range.size_bytes));
    } else {
      TRY(ReadPiece(piece, file));
    }
  }
  return {};
}

}  // namespace

std::vector<MemoryPiece> PiecesOf(const GuestMemory& memory) {
  std::vector<MemoryPiece> pieces;
  uint64_t offset = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    pieces.push_back({.region = region, .file_offset_bytes = offset});
    offset += region.range.size_bytes;
  }
  if (const PluggableMemory* const pluggable = memory.pluggable()) {
    pieces.push_back({.region = {.range = pluggable->range(),
                                 .host = pluggable->host(),
                                 .memfd = pluggable->memfd(),
                                 .memfd_offset_bytes = 0},
                      .file_offset_bytes = offset});
  }
  return pieces;
}

uint64_t MemoryFileBytes(const GuestMemory& memory) {
  const MemoryPiece last = PiecesOf(memory).back();
  return last.file_offset_bytes + last.region.range.size_bytes;
}

Result<uint64_t> WriteMemory(const GuestMemory& memory, const Fd& file,
                             const MemorySource& source) {
  TRY(SetLength(file, MemoryFileBytes(memory)));
  Writer writer(memory, source, file, Zeros::kLeaveOut);
  for (const MemoryPiece& piece : PiecesOf(memory)) {
    const MappedFile mapped{.file = source.file, .offset_bytes = piece.file_offset_bytes};
    const std::vector<GuestRange> ranges = source.by_faults
                                               ? RangesInUse(memory, piece.region)
                                               : HeldRanges(memory, piece.region, mapped);
    for (const GuestRange& range : ranges) {
      TRY(writer.Write(piece, range));
    }
  }
  return writer.written_bytes();
}

std::vector<GuestRange> RunsOf(const MemoryPiece& piece, std::span<const uint64_t> bits) {
  const uint64_t pages = piece.region.range.size_bytes / kPageBytes;
  EMBER_CHECK(bits.size() * kBitsPerWord >= pages);
  std::vector<GuestRange> runs;
  for (uint64_t first = FindBit(bits, 0, pages, true); first < pages;) {
    const uint64_t end = FindBit(bits, first, pages, false);
    runs.push_back({.start = piece.region.range.start + first * kPageBytes,
                    .size_bytes = (end - first) * kPageBytes});
    first = FindBit(bits, end, pages, true);
  }
  return runs;
}

Result<uint64_t> WriteMemory(const GuestMemory& memory, const PageBits& pages, const Fd& file,
                             const MemorySource& source) {
  const std::vector<MemoryPiece> pieces = PiecesOf(memory);
  EMBER_CHECK(pages.size() == pieces.size());
  TRY(SetLength(file, MemoryFileBytes(memory)));
  Writer writer(memory, source, file, Zeros::kWrite);
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (const GuestRange& run : RunsOf(pieces[i], pages[i])) TRY(writer.Write(pieces[i], run));
  }
  return writer.written_bytes();
}

Status LoadMemory(const GuestMemory& memory, const Fd& file, const std::string& path) {
  TRY(CheckLength(memory, file, path));
  TRY_CONTEXT(Load(memory, file), Concat("memory file ", path));
  return {};
}

Status CheckLength(const GuestMemory& memory, const Fd& file, const std::string& path) {
  const uint64_t wanted = MemoryFileBytes(memory);
  const uint64_t actual = TRY_CONTEXT(FileSize(file, path), Concat("memory file ", path));
  if (actual == wanted) return {};
  return Error(Concat("memory file ", path, ": the file is ", actual,
                      " bytes long, the machine's memory ", wanted));
}

}  // namespace ember::snapshot
