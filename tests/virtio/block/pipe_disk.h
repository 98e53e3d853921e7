#ifndef EMBER_TESTS_VIRTIO_BLOCK_PIPE_DISK_H_
#define EMBER_TESTS_VIRTIO_BLOCK_PIPE_DISK_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "virtio/block/disk.h"

namespace ember::virtio::testing {

// A disk whose plain file is an end of a pipe, wherever in the disk it is asked: the host finishes
// nothing that the test, at the other end, does not let it finish. For engines that make the
// transfers themselves.
class PipeDisk final : public Disk {
 public:
  explicit PipeDisk(Fd end) : end_(std::move(end)) {}

  uint64_t size_bytes() const override { return uint64_t{1} << 20; }
  Access access() const override { return Access::kReadWrite; }
  const DiskSerial& serial() const override { return serial_; }
  Result<size_t> ReadSome(uint64_t, std::span<const iovec>) override { return NotHere(); }
  Result<size_t> WriteSome(uint64_t, std::span<const iovec>) override { return NotHere(); }
  Status Flush() override { return NotHere(); }
  std::optional<PlainFile> plain_file() const override { return PlainFile{.fd = end_.get()}; }

 private:
  static Error NotHere() { return Error("not by the disk's own means"); }

  Fd end_;
  DiskSerial serial_{};
};

// The pipe of a PipeDisk, at its other end.
class DiskPipe {
 public:
  // What it holds when it is full.
  static constexpr size_t kBytes = 65536;

  // An empty pipe that the disk reads, or a full one that it writes.
  enum class Disks { kReads, kWrites };
  explicit DiskPipe(Disks disks) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
    const size_t disks_end = disks == Disks::kReads ? 0 : 1;
    disks_end_ = Fd(fds[disks_end]);
    ours_ = Fd(fds[1 - disks_end]);
    EXPECT_EQ(::fcntl(ours_.get(), F_SETPIPE_SZ, kBytes), static_cast<int>(kBytes));
    if (disks == Disks::kWrites) WriteAllOf(disks_end_, 'f');
  }

  // Once.
  std::unique_ptr<Disk> MakeDisk() { return std::make_unique<PipeDisk>(std::move(disks_end_)); }

  // As much as it holds. It must be empty.
  void Fill(char letter) const { WriteAllOf(ours_, letter); }
  size_t held_bytes() const {
    int bytes = -1;
    EXPECT_EQ(::ioctl(ours_.get(), FIONREAD, &bytes), 0);
    return static_cast<size_t>(bytes);
  }
  // All that it holds.
  std::string Take() const {
    std::string taken(held_bytes(), '\0');
    EXPECT_EQ(::read(ours_.get(), taken.data(), taken.size()), std::ssize(taken));
    return taken;
  }
  // Returns when nobody has the disk's end any more, a ring of io_uring's neither.
  void AwaitDisksEnd() const {
    pollfd end{.fd = ours_.get(), .events = 0, .revents = 0};
    EXPECT_EQ(::poll(&end, 1, -1), 1);
  }

 private:
  static void WriteAllOf(const Fd& fd, char letter) {
    const std::string bytes(kBytes, letter);
    EXPECT_TRUE(WriteAll(fd, std::as_bytes(std::span(bytes))));
  }

  Fd disks_end_;
  Fd ours_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_PIPE_DISK_H_
