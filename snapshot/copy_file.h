#ifndef EMBER_SNAPSHOT_COPY_FILE_H_
#define EMBER_SNAPSHOT_COPY_FILE_H_

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

// Files' bytes from one to another at the same places, inside the kernel where it can. Any thread.
namespace ember::snapshot {

// Copies `len` bytes at `offset_bytes`. The bytes must be there: a file that ends before is an
// error.
Status CopyRange(const Fd& from, const Fd& to, uint64_t offset_bytes, uint64_t len);

// Makes an empty file what another is, `length_bytes` long, holes and all; the two share their
// blocks where the file system lets them.
Status CopyFile(const Fd& from, const Fd& to, uint64_t length_bytes);

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_COPY_FILE_H_
