#include "virtio/pmem/pmem_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "base/concat.h"
#include "base/retry_interrupted.h"

namespace ember::virtio {
namespace {

// What the driver of a Linux guest wants start and size to be multiples of, and the host's large
// page.
constexpr uint64_t kAlignmentBytes = uint64_t{2} << 20;

}  // namespace

Result<std::unique_ptr<PmemFile>> PmemFile::Open(const std::string& path, Access access) {
  Fd fd = TRY(OpenFile(path, access));
  std::unique_ptr<PmemFile> file(new PmemFile(path, std::move(fd), access));
  struct stat info {};
  if (::fstat(file->fd_.get(), &info) < 0) return Error::FromErrno("fstat", path);
  if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
    return Error(Concat("pmem ", path, " is neither a regular file nor a block device"));
  }
  file->kept_bytes_ = TRY(FileSize(file->fd_, path));
  if (file->kept_bytes_ == 0) return Error(Concat("pmem ", path, " is empty"));
  TRY_CONTEXT(file->Map(), path);
  return file;
}

Status PmemFile::Map() {
  if (kept_bytes_ > uint64_t{std::numeric_limits<int64_t>::max()} - kAlignmentBytes) {
    return Error(Concat("the file of ", kept_bytes_, " bytes is too large to map"));
  }
  const uint64_t size_bytes =
      (kept_bytes_ + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  mapping_ = TRY(Mapping::AnonymousAligned(size_bytes, kAlignmentBytes));
  const bool writable = access_ == Access::kReadWrite;
  // Over memory of ours.
  void* const mapped =
      ::mmap(mapping_.data(), kept_bytes_, writable ? PROT_READ | PROT_WRITE : PROT_READ,
             MAP_FIXED | (writable ? MAP_SHARED : MAP_PRIVATE), fd_.get(), 0);
  if (mapped == MAP_FAILED) return Error::FromErrno(Concat("mmap of ", kept_bytes_, " bytes"));
  // It is a file already, and may be large.
  ::madvise(mapping_.data(), mapping_.size(), MADV_DONTDUMP);
  return {};
}

Status PmemFile::Flush() {
  if (RetryInterrupted([this] { return ::fdatasync(fd_.get()); }) < 0) {
    return Error::FromErrno("fdatasync", path_);
  }
  return {};
}

}  // namespace ember::virtio
