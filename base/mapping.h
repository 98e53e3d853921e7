#ifndef EMBER_BASE_MAPPING_H_
#define EMBER_BASE_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace ember {

// Owns one mmap()ed range and unmaps it. Move-only; any thread, one at a time.
class Mapping {
 public:
  enum class Sharing { kPrivate, kShared };
  // Whether the host sets memory aside for all of it, where it does that (huge pages).
  enum class Reserve { kAll, kNone };
  struct FileOptions {
    uint64_t offset_bytes = 0;  // a multiple of the page size
    size_t size_bytes = 0;
    Access access = Access::kReadWrite;
    Sharing sharing = Sharing::kShared;
    Reserve reserve = Reserve::kAll;
  };

  // Anonymous private memory, zeroed on first touch, not reserved against overcommit.
  static Result<Mapping> Anonymous(size_t size_bytes, int extra_mmap_flags = 0);
  // The same, beginning at a multiple of `alignment_bytes`, a power of two of at least a page.
  // `size_bytes` is a multiple of the page size.
  static Result<Mapping> AnonymousAligned(size_t size_bytes, size_t alignment_bytes);
  // A range of an open file. The mapping outlives the descriptor.
  static Result<Mapping> File(const Fd& fd, const FileOptions& options);

  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { Reset(); }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  Mapping(void* data, size_t size) : data_(static_cast<std::byte*>(data)), size_(size) {}
  void Reset();

  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ember

#endif  // EMBER_BASE_MAPPING_H_
