#ifndef EMBER_VIRTIO_BLOCK_DISK_FILE_H_
#define EMBER_VIRTIO_BLOCK_DISK_FILE_H_

#include <memory>
#include <string>

#include "virtio/block/bounce_buffer.h"
#include "virtio/block/disk.h"

namespace ember::virtio {

// Whether a disk's data pass through the host's page cache.
enum class HostCache : uint8_t { kUsed, kBypassed };

// A raw image: a regular file or a block device of the host. The serial is the file's device,
// special-device and inode numbers in decimal, one after the other. Discarded and zeroed ranges are
// holes where the file system can, and zeros where not.
class DiskFile final : public Disk {
 public:
  // Opens an existing file. Errors name the path. Past the host's cache (O_DIRECT), any offset,
  // length and memory will do all the same: what the host does not take as it is goes through a
  // buffer of our own.
  static Result<std::unique_ptr<DiskFile>> Open(const std::string& path, Access access,
                                                HostCache cache = HostCache::kUsed);

  uint64_t size_bytes() const override { return size_bytes_; }
  Access access() const override { return access_; }
  const DiskSerial& serial() const override { return serial_; }
  Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) override;
  Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) override;
  Status Flush() override;
  Result<uint64_t> DiscardSome(uint64_t offset, uint64_t len_bytes) override;
  Result<uint64_t> ZeroSome(uint64_t offset, uint64_t len_bytes, ZeroMode mode) override;
  std::optional<PlainFile> plain_file() const override { return file_; }

 private:
  DiskFile(std::string path, Fd fd, Access access)
      : path_(std::move(path)), fd_(std::move(fd)), access_(access) {}

  Status BypassCache(bool block_device);
  // Whether fallocate(2) did it. False where the file system cannot.
  Result<bool> Allocate(int mode, uint64_t offset, uint64_t len_bytes);

  const std::string path_;
  const Fd fd_;
  const Access access_;
  uint64_t size_bytes_ = 0;
  DiskSerial serial_{};
  PlainFile file_;
  std::unique_ptr<BounceBuffer> bounce_;  // null where the cache is used
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_DISK_FILE_H_
