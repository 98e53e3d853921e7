#ifndef EMBER_VIRTIO_BLOCK_IMAGE_FILE_H_
#define EMBER_VIRTIO_BLOCK_IMAGE_FILE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace ember::virtio {

// A file as the code of an image format sees it; tests put one in its place that loses power. One
// thread at a time.
class ImageFile {
 public:
  virtual ~ImageFile() = default;
  virtual Result<uint64_t> Size() = 0;
  // In the manner of preadv(2) and pwritev(2): perhaps fewer bytes than asked for. A write past the
  // end extends the file.
  virtual Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) = 0;
  virtual Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) = 0;
  // Extends the file with zeros.
  virtual Status Extend(uint64_t size_bytes) = 0;
  // Returns when all that was done before will outlive a loss of power. What an error left undone
  // may be lost even where a later call succeeds.
  virtual Status Sync() = 0;
  // The range's bytes, which lie inside the file, are needed no more. A wish.
  virtual void Deallocate(uint64_t offset, uint64_t len_bytes) = 0;
};

// All of `out` or `in`; an error where the file ends before.
Status ReadExactly(ImageFile& file, uint64_t offset, std::span<std::byte> out);
Status WriteExactly(ImageFile& file, uint64_t offset, std::span<const std::byte> in);

// A file of the host through the page cache: a regular one, or a block device. Errors name the
// path.
class HostImageFile final : public ImageFile {
 public:
  // `path` is for errors.
  HostImageFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  const Fd& fd() const { return fd_; }
  const std::string& path() const { return path_; }

  Result<uint64_t> Size() override { return FileSize(fd_, path_); }
  Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) override;
  Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) override;
  Status Extend(uint64_t size_bytes) override;
  Status Sync() override;
  void Deallocate(uint64_t offset, uint64_t len_bytes) override;

 private:
  const Fd fd_;
  const std::string path_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_IMAGE_FILE_H_
