#ifndef EMBER_BASE_FILE_RANGES_H_
#define EMBER_BASE_FILE_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

// Pieces of files, by their offsets. Any thread.
namespace ember {

struct FileRange {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

// What of `within` the file holds, in order: the rest is holes or beyond its end (lseek(2),
// SEEK_DATA). Where a file system has no holes, all of it. Moves the file's position.
Result<std::vector<FileRange>> DataRanges(int file, const FileRange& within);

// Writes everything at `offset_bytes`, going on after short writes and EINTR. After an error a part
// may be written.
Status WriteAllAt(const Fd& file, uint64_t offset_bytes, std::span<const std::byte> in);

}  // namespace ember

#endif  // EMBER_BASE_FILE_RANGES_H_
