#ifndef EMBER_FIRMWARE_IMAGE_FILE_H_
#define EMBER_FIRMWARE_IMAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware {

// A file from which guest memory is filled: a kernel or an initrd. Its contents are hostile; every
// error begins with its path. Borrows the path and the descriptor. One thread.
class ImageFile {
 public:
  // Fails where the descriptor is of no regular file or block device.
  static Result<ImageFile> Create(const std::string& path, const Fd& fd);

  const std::string& path() const { return path_; }
  // At the time of Create().
  uint64_t size_bytes() const { return size_bytes_; }

  // An error about this file: "PATH: text".
  Error Wrong(std::string_view text) const;

  // Whether [offset, offset + len) lies within the file.
  bool Holds(uint64_t offset, uint64_t len) const {
    return offset <= size_bytes_ && len <= size_bytes_ - offset;
  }

  // Reads exactly out.size() bytes; `what` names them in the error.
  Status Read(uint64_t offset, std::span<std::byte> out, std::string_view what) const;

  // Puts [offset, offset + len) of the file at `to`, in one region of RAM, without a copy in
  // between. Whole pages are mapped privately where the memory allows it, the file's offset and the
  // address agree modulo the page size, and there are enough of them to be worth a mapping.
  Status Load(const GuestMemory& memory, GuestAddress to, uint64_t offset, uint64_t len) const;

 private:
  ImageFile(const std::string& path, const Fd& fd, uint64_t size_bytes)
      : path_(path), fd_(fd), size_bytes_(size_bytes) {}

  Status ReadInto(const GuestMemory& memory, GuestAddress to, uint64_t offset, uint64_t len) const;

  const std::string& path_;
  const Fd& fd_;
  uint64_t size_bytes_;
};

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_IMAGE_FILE_H_
