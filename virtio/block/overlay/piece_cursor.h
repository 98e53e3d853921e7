#ifndef EMBER_VIRTIO_BLOCK_OVERLAY_PIECE_CURSOR_H_
#define EMBER_VIRTIO_BLOCK_OVERLAY_PIECE_CURSOR_H_

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ember::virtio {

// Walks over a run of bytes in pieces that it must not change, handing out the next of them. The
// guest may change the bytes at any time. One thread.
class PieceCursor {
 public:
  explicit PieceCursor(std::span<const iovec> pieces) : pieces_(pieces) { SkipEmpty(); }

  bool at_end() const { return pieces_.empty(); }
  // The next bytes, at most `len` and at most kRoom pieces of them; they are not passed yet.
  std::span<const iovec> Peek(uint64_t len) {
    size_t count = 0;
    for (size_t i = 0; i < pieces_.size() && count < kRoom && len > 0; ++i) {
      const size_t skip = i == 0 ? passed_ : 0;
      const auto part = static_cast<size_t>(std::min<uint64_t>(pieces_[i].iov_len - skip, len));
      if (part == 0) continue;
      room_[count++] = {.iov_base = Base(pieces_[i]) + skip, .iov_len = part};
      len -= part;
    }
    return std::span(room_).first(count);
  }
  // Passes bytes; no more than there are.
  void Pass(uint64_t len) {
    while (len > 0) {
      const uint64_t part = std::min<uint64_t>(pieces_.front().iov_len - passed_, len);
      passed_ += static_cast<size_t>(part);
      len -= part;
      SkipEmpty();
    }
  }
  // Copies the next bytes out and passes them; fewer than asked for only at the end.
  size_t CopyOut(std::span<std::byte> out) {
    size_t done = 0;
    while (done < out.size() && !at_end()) {
      const std::span<const iovec> next = Peek(out.size() - done);
      for (const iovec& piece : next) {
        std::memcpy(out.data() + done, piece.iov_base, piece.iov_len);
        done += piece.iov_len;
        Pass(piece.iov_len);
      }
    }
    return done;
  }
  // Puts zeros over the next bytes and passes them; at most `len`.
  uint64_t PutZeros(uint64_t len) {
    uint64_t done = 0;
    while (done < len && !at_end()) {
      const std::span<const iovec> next = Peek(len - done);
      for (const iovec& piece : next) {
        std::memset(piece.iov_base, 0, piece.iov_len);
        done += piece.iov_len;
        Pass(piece.iov_len);
      }
    }
    return done;
  }

 private:
  static constexpr size_t kRoom = 64;

  static std::byte* Base(const iovec& piece) { return static_cast<std::byte*>(piece.iov_base); }
  void SkipEmpty() {
    while (!pieces_.empty() && passed_ == pieces_.front().iov_len) {
      pieces_ = pieces_.subspan(1);
      passed_ = 0;
    }
  }

  std::span<const iovec> pieces_;
  size_t passed_ = 0;  // of the first piece
  std::array<iovec, kRoom> room_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_OVERLAY_PIECE_CURSOR_H_
