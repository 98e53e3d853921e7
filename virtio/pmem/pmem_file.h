#ifndef EMBER_VIRTIO_PMEM_PMEM_FILE_H_
#define EMBER_VIRTIO_PMEM_PMEM_FILE_H_

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/mapping.h"
#include "virtio/pmem/pmem_store.h"

namespace ember::virtio {

// A file of the host, mapped to be shown to a guest: shared, so that the guest's writes are the
// file's, or read-only. From its end to the next multiple of 2 MiB there is anonymous memory, so
// that no address of it faults. Who shortens the file while it is in use makes the guest's accesses
// to what is gone fail, and with them its machine; nobody in this process touches the mapping.
class PmemFile final : public PmemStore {
 public:
  // Opens and maps an existing regular file or block device that is not empty. Errors name the
  // path.
  static Result<std::unique_ptr<PmemFile>> Open(const std::string& path, Access access);

  // At a multiple of 2 MiB; for the machine to show to the guest.
  std::span<std::byte> bytes() const { return mapping_.bytes(); }

  uint64_t size_bytes() const override { return mapping_.size(); }
  uint64_t kept_bytes() const override { return kept_bytes_; }
  Access access() const override { return access_; }
  Status Flush() override;

 private:
  PmemFile(std::string path, Fd fd, Access access)
      : path_(std::move(path)), fd_(std::move(fd)), access_(access) {}
  Status Map();

  const std::string path_;
  const Fd fd_;
  const Access access_;
  uint64_t kept_bytes_ = 0;
  Mapping mapping_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_PMEM_PMEM_FILE_H_
