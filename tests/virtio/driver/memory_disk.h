#ifndef EMBER_TESTS_VIRTIO_DRIVER_MEMORY_DISK_H_
#define EMBER_TESTS_VIRTIO_DRIVER_MEMORY_DISK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "virtio/block/disk.h"

namespace ember::virtio::testing {

// A disk in memory that does as it is told: each call can be made to fail, to move less than asked
// for, or nothing. It keeps what was asked of it. One thread.
class MemoryDisk final : public Disk {
 public:
  enum class Fault { kError, kNothing, kHalf, kOneByte };

  explicit MemoryDisk(uint64_t size_bytes, Access access = Access::kReadWrite)
      : bytes(size_bytes), access_(access) {
    std::memcpy(serial_.data(), "memory-disk-serial-1", serial_.size());
  }

  uint64_t size_bytes() const override { return bytes.size(); }
  Access access() const override { return access_; }
  const DiskSerial& serial() const override { return serial_; }

  Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) override {
    calls.push_back("read");
    size_t count = TRY(BytesToMove(offset, into));
    const size_t moved = count;
    for (const iovec& piece : into) {
      const size_t len = std::min(count, piece.iov_len);
      std::memcpy(piece.iov_base, bytes.data() + offset, len);
      offset += len;
      count -= len;
    }
    return moved;
  }

  Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) override {
    calls.push_back("write");
    size_t count = TRY(BytesToMove(offset, from));
    const size_t moved = count;
    for (const iovec& piece : from) {
      const size_t len = std::min(count, piece.iov_len);
      std::memcpy(bytes.data() + offset, piece.iov_base, len);
      offset += len;
      count -= len;
    }
    return moved;
  }

  Status Flush() override {
    calls.push_back("flush");
    if (const auto fault = faults.find(calls.size() - 1); fault != faults.end()) {
      return Error("flush told to fail");
    }
    durable = bytes;
    return {};
  }

  Result<uint64_t> DiscardSome(uint64_t offset, uint64_t len_bytes) override {
    calls.push_back("discard");
    const std::span<std::byte> range = std::span(bytes).subspan(offset, len_bytes);
    std::ranges::fill(range, std::byte{0xdd});
    return len_bytes;
  }

  std::vector<std::byte> bytes;
  std::vector<std::byte> durable;  // as of the last flush
  std::vector<std::string> calls;
  std::map<size_t, Fault> faults;  // by number of the call, from 0
  uint64_t largest_call_bytes = 0;

 private:
  Result<size_t> BytesToMove(uint64_t offset, std::span<const iovec> pieces) {
    uint64_t asked = 0;
    for (const iovec& piece : pieces) asked += piece.iov_len;
    largest_call_bytes = std::max(largest_call_bytes, asked);
    const uint64_t count = offset < bytes.size() ? std::min(asked, bytes.size() - offset) : 0;
    const auto fault = faults.find(calls.size() - 1);
    if (fault == faults.end()) return count;
    if (fault->second == Fault::kError) return Error("told to fail");
    if (fault->second == Fault::kNothing) return size_t{0};
    return fault->second == Fault::kOneByte ? size_t{1} : std::max<size_t>(1, count / 2);
  }

  Access access_;
  DiskSerial serial_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_MEMORY_DISK_H_
