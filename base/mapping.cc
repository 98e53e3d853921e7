#include "base/mapping.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <limits>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/concat.h"

namespace ember {
namespace {

Result<void*> Map(size_t size_bytes, int protection, int flags, int fd, off_t offset) {
  void* const data = ::mmap(nullptr, size_bytes, protection, flags, fd, offset);
  if (data == MAP_FAILED) return Error::FromErrno(Concat("mmap of ", size_bytes, " bytes"));
  return data;
}

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kAnonymousFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

}  // namespace

Result<Mapping> Mapping::Anonymous(size_t size_bytes, int extra_mmap_flags) {
  void* const data = TRY(Map(size_bytes, kReadWrite, kAnonymousFlags | extra_mmap_flags, -1, 0));
  return Mapping(data, size_bytes);
}

Result<Mapping> Mapping::AnonymousAligned(size_t size_bytes, size_t alignment_bytes) {
  EMBER_CHECK(std::has_single_bit(alignment_bytes));
  if (size_bytes > std::numeric_limits<size_t>::max() - alignment_bytes) {
    return Error::FromErrorNumber(Concat("mmap of ", size_bytes, " bytes"), ENOMEM);
  }
  // More than is needed, so that an aligned start lies within; then both ends are given back.
  Mapping wide = TRY(Anonymous(size_bytes + alignment_bytes));
  void* aligned = wide.data_;
  size_t space = wide.size_;
  EMBER_CHECK(std::align(alignment_bytes, size_bytes, aligned, space) != nullptr);
  std::byte* const start = static_cast<std::byte*>(aligned);
  std::byte* const wide_start = std::exchange(wide.data_, nullptr);
  const size_t head_bytes = wide.size_ - space;
  const size_t tail_bytes = space - size_bytes;
  if (head_bytes > 0) ::munmap(wide_start, head_bytes);
  if (tail_bytes > 0) ::munmap(start + size_bytes, tail_bytes);
  return Mapping(start, size_bytes);
}

Result<Mapping> Mapping::File(const Fd& fd, const FileOptions& options) {
  if (options.offset_bytes > uint64_t{std::numeric_limits<off_t>::max()}) {
    return Error::FromErrorNumber(Concat("mmap at file offset ", options.offset_bytes), EOVERFLOW);
  }
  const int protection = options.access == Access::kReadOnly ? PROT_READ : kReadWrite;
  const int flags = (options.sharing == Sharing::kShared ? MAP_SHARED : MAP_PRIVATE) |
                    (options.reserve == Reserve::kNone ? MAP_NORESERVE : 0);
  void* const data = TRY(Map(options.size_bytes, protection, flags, fd.get(),
                             static_cast<off_t>(options.offset_bytes)));
  return Mapping(data, options.size_bytes);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    Reset();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Mapping::Reset() {
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace ember
