#ifndef EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_MEMORY_IMAGE_H_
#define EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_MEMORY_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "virtio/block/image_file.h"

namespace ember::virtio::testing {

// The bytes of a file and what of them would outlive a loss of power. It can die at a given
// operation, and lose power: what was not synced is then there or not, sector by sector, in any
// order. One thread.
class Medium {
 public:
  static constexpr size_t kSectorBytes = 512;
  static constexpr uint64_t kMaxBytes = uint64_t{16} << 20;

  Medium() = default;
  explicit Medium(std::vector<std::byte> content) : now_(content), durable_(std::move(content)) {}

  std::vector<std::byte>& bytes() { return now_; }
  // How many operations succeed before each fails and does nothing.
  void DieAfter(uint64_t operations) { left_ = operations; }
  bool dead() const { return left_ == 0; }
  // The host lives on: the next process finds what the last one left.
  void Revive() { left_ = kForever; }

  enum class Loss { kNothing, kAllUnsynced, kSome };
  void LosePower(Loss loss, std::minstd_rand& random) {
    if (loss != Loss::kNothing) {
      now_ = durable_;
      if (loss == Loss::kSome) ApplySome(random);
    }
    durable_ = now_;
    pending_.clear();
    Revive();
  }

  // The operations. False once dead.
  bool Spend() {
    if (left_ == 0) return false;
    if (left_ != kForever) --left_;
    return true;
  }
  void Write(uint64_t offset, std::span<const std::byte> in) {
    Put(now_, offset, in);
    while (!in.empty()) {
      const size_t piece = std::min<size_t>(in.size(), kSectorBytes - offset % kSectorBytes);
      pending_.push_back({offset, {in.begin(), in.begin() + static_cast<ptrdiff_t>(piece)}});
      in = in.subspan(piece);
      offset += piece;
    }
  }
  void Extend(uint64_t size_bytes) {
    if (size_bytes > now_.size()) Write(size_bytes - 1, std::vector<std::byte>(1));
  }
  void Sync() {
    durable_ = now_;
    pending_.clear();
  }

 private:
  static constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

  struct Change {
    uint64_t offset;
    std::vector<std::byte> bytes;
  };

  static void Put(std::vector<std::byte>& content, uint64_t offset, std::span<const std::byte> in) {
    if (content.size() < offset + in.size()) content.resize(offset + in.size());
    std::ranges::copy(in, content.begin() + static_cast<ptrdiff_t>(offset));
  }
  void ApplySome(std::minstd_rand& random) {
    std::shuffle(pending_.begin(), pending_.end(), random);
    for (const Change& change : pending_) {
      if (random() % 2 == 0) Put(now_, change.offset, change.bytes);
      // The new size may be there without the bytes.
      else if (random() % 2 == 0)
        Put(now_, change.offset + change.bytes.size(), {});
    }
  }

  std::vector<std::byte> now_;
  std::vector<std::byte> durable_;
  std::vector<Change> pending_;
  uint64_t left_ = kForever;
};

// An ImageFile over a medium, which outlives it.
class MemoryImage final : public ImageFile {
 public:
  explicit MemoryImage(Medium& medium) : medium_(medium) {}

  Result<uint64_t> Size() override { return medium_.bytes().size(); }
  Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) override {
    const std::vector<std::byte>& bytes = medium_.bytes();
    size_t done = 0;
    for (const iovec& piece : into) {
      const uint64_t at = offset + done;
      const size_t len = at < bytes.size() ? std::min(piece.iov_len, bytes.size() - at) : 0;
      if (len > 0) std::memcpy(piece.iov_base, bytes.data() + at, len);
      done += len;
      if (len < piece.iov_len) break;
    }
    return done;
  }
  Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) override {
    if (!medium_.Spend()) return Error("dead");
    size_t done = 0;
    for (const iovec& piece : from) {
      if (offset + done + piece.iov_len > Medium::kMaxBytes) return Error("full");
      medium_.Write(offset + done, {static_cast<const std::byte*>(piece.iov_base), piece.iov_len});
      done += piece.iov_len;
    }
    return done;
  }
  Status Extend(uint64_t size_bytes) override {
    if (!medium_.Spend()) return Error("dead");
    if (size_bytes > Medium::kMaxBytes) return Error("full");
    medium_.Extend(size_bytes);
    return {};
  }
  Status Sync() override {
    if (!medium_.Spend()) return Error("dead");
    medium_.Sync();
    return {};
  }
  void Deallocate(uint64_t offset, uint64_t len_bytes) override {
    if (medium_.Spend()) medium_.Write(offset, std::vector<std::byte>(len_bytes));
  }

 private:
  Medium& medium_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_OVERLAY_MEMORY_IMAGE_H_
