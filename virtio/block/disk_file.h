#ifndef EMBER_VIRTIO_BLOCK_DISK_FILE_H_
#define EMBER_VIRTIO_BLOCK_DISK_FILE_H_

#include <memory>
#include <string>

#include "virtio/block/disk.h"

namespace ember::virtio {

// A raw image: a regular file or a block device of the host, through the page cache. The serial is
// the file's device, special-device and inode numbers in decimal, one after the other.
class DiskFile final : public Disk {
 public:
  // Opens an existing file. Errors name the path.
  static Result<std::unique_ptr<DiskFile>> Open(const std::string& path, Access access);

  uint64_t size_bytes() const override { return size_bytes_; }
  Access access() const override { return access_; }
  const DiskSerial& serial() const override { return serial_; }
  Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) override;
  Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) override;
  Status Flush() override;

 private:
  DiskFile(std::string path, Fd fd, Access access)
      : path_(std::move(path)), fd_(std::move(fd)), access_(access) {}

  const std::string path_;
  const Fd fd_;
  const Access access_;
  uint64_t size_bytes_ = 0;
  DiskSerial serial_{};
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_DISK_FILE_H_
