#ifndef EMBER_TESTS_VIRTIO_BLOCK_TEMPORARY_FILE_H_
#define EMBER_TESTS_VIRTIO_BLOCK_TEMPORARY_FILE_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace ember::virtio::testing {

// A file that goes with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(uint64_t size_bytes) {
    path_ = ::testing::TempDir() + "/ember-disk-XXXXXX";
    fd_ = Fd(::mkstemp(path_.data()));
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)), 0);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  void Resize(uint64_t size_bytes) const {
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)), 0);
  }
  std::string Content() const {
    struct stat file {};
    ::fstat(fd_.get(), &file);
    std::string content(static_cast<size_t>(file.st_size), '\0');
    EXPECT_EQ(::pread(fd_.get(), content.data(), content.size(), 0), file.st_size);
    return content;
  }

 private:
  std::string path_;
  Fd fd_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_TEMPORARY_FILE_H_
