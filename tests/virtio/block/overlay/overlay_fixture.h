#ifndef EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_OVERLAY_FIXTURE_H_
#define EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_OVERLAY_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/block/overlay/memory_image.h"
#include "virtio/block/overlay/overlay_disk.h"

namespace ember::virtio::testing {

// Small, so that a test walks over all of it; the last cluster is not whole.
inline constexpr uint32_t kCluster = kMinClusterBytes;
inline constexpr uint64_t kDiskBytes = 16 * uint64_t{kCluster} + 3 * 512;

inline std::vector<std::byte> Fill(uint64_t len, int value) {
  return std::vector<std::byte>(len, static_cast<std::byte>(value));
}

// Moves all of it, however little the disk moves at once.
inline Status ReadAll(Disk& disk, uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const iovec piece{.iov_base = out.data(), .iov_len = out.size()};
    const size_t count = TRY(disk.ReadSome(offset, {&piece, 1}));
    if (count == 0) return Error("nothing was read");
    out = out.subspan(count);
    offset += count;
  }
  return {};
}
inline Status WriteAll(Disk& disk, uint64_t offset, std::span<const std::byte> in) {
  while (!in.empty()) {
    const iovec piece{.iov_base = const_cast<std::byte*>(in.data()), .iov_len = in.size()};
    const size_t count = TRY(disk.WriteSome(offset, {&piece, 1}));
    if (count == 0) return Error("nothing was written");
    in = in.subspan(count);
    offset += count;
  }
  return {};
}

// A base in memory whose bytes tell where they are, and overlays of it.
class OverlayTest : public ::testing::Test {
 protected:
  OverlayTest() {
    std::vector<std::byte> content(kDiskBytes);
    for (size_t i = 0; i < content.size(); ++i) {
      content[i] = static_cast<std::byte>(1 + (i / 512 * 7 + i) % 255);
    }
    base = Medium(std::move(content));
  }

  static OverlayDisk::Options Options() {
    return {.base = {.size_bytes = kDiskBytes,
                     .modified_ns = 1'700'000'000'123'456'789,
                     .fingerprint = 0x12345678},
            .cluster_bytes = kCluster};
  }
  Result<std::unique_ptr<OverlayDisk>> Open(const OverlayDisk::Options& options = Options()) {
    return OverlayDisk::Open(std::make_unique<MemoryImage>(medium),
                             std::make_unique<MemoryImage>(base), options);
  }
  // Why it does not open; empty where it does.
  std::string OpenError(const OverlayDisk::Options& options = Options()) {
    const auto opened = Open(options);
    return opened ? std::string() : opened.error().message();
  }
  static std::vector<std::byte> Read(Disk& disk, uint64_t offset, uint64_t len) {
    std::vector<std::byte> bytes(len);
    EXPECT_TRUE(ReadAll(disk, offset, bytes).has_value());
    return bytes;
  }
  std::vector<std::byte> BaseBytes(uint64_t offset, uint64_t len) {
    const auto begin = base.bytes().begin() + static_cast<ptrdiff_t>(offset);
    return {begin, begin + static_cast<ptrdiff_t>(len)};
  }

  Medium base;
  Medium medium;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_OVERLAY_FIXTURE_H_
