#include "virtio/buffers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ember::virtio::testing {
namespace {

// "abcdefghij" in pieces of the given lengths.
class Pieces {
 public:
  explicit Pieces(std::vector<size_t> lengths) {
    char* at = text.data();
    for (const size_t len : lengths) {
      iovecs.push_back({.iov_base = at, .iov_len = len});
      at += len;
      size_bytes += len;
    }
  }
  Buffers buffers() { return {iovecs, size_bytes}; }

  std::string text = "abcdefghij";
  std::vector<iovec> iovecs;
  uint64_t size_bytes = 0;
};

template <size_t kCount>
std::string Take(Buffers& buffers) {
  std::array<std::byte, kCount> bytes;
  if (!buffers.TakeFront(bytes)) return "too few";
  std::string text;
  for (const std::byte byte : bytes) text += static_cast<char>(byte);
  return text;
}

TEST(BuffersTest, TakesBytesOverAnySplit) {
  for (const std::vector<size_t>& split : {std::vector<size_t>{10},
                                           {4, 6},
                                           {5, 5},
                                           {1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                                           {9, 1},
                                           {3, 3, 4}}) {
    Pieces pieces(split);
    Buffers buffers = pieces.buffers();
    EXPECT_EQ(Take<4>(buffers), "abcd");
    EXPECT_EQ(Take<5>(buffers), "efghi");
    EXPECT_EQ(buffers.size_bytes(), 1U);
    EXPECT_EQ(Take<1>(buffers), "j");
    EXPECT_TRUE(buffers.empty());
    EXPECT_TRUE(buffers.pieces().empty());
  }
}

TEST(BuffersTest, KeepsTheFirstBytesOverAnySplit) {
  for (const std::vector<size_t>& split :
       {std::vector<size_t>{10}, {4, 6}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {9, 1}, {3, 3, 4}}) {
    for (size_t kept = 0; kept <= 11; ++kept) {
      Pieces pieces(split);
      Buffers buffers = pieces.buffers();
      buffers.KeepFront(kept);
      ASSERT_EQ(buffers.size_bytes(), std::min<size_t>(kept, 10));
      std::string text;
      for (const iovec& piece : buffers.pieces()) {
        ASSERT_GT(piece.iov_len, 0U);
        text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      }
      EXPECT_EQ(text, std::string("abcdefghij").substr(0, kept));
    }
  }
}

TEST(BuffersTest, TakesNothingWhereThereIsTooLittle) {
  Pieces pieces({3, 2});
  Buffers buffers = pieces.buffers();
  EXPECT_EQ(Take<6>(buffers), "too few");
  EXPECT_EQ(Take<5>(buffers), "abcde");
}

TEST(BuffersTest, PutsBytesOverASplit) {
  Pieces pieces({2, 3, 5});
  Buffers buffers = pieces.buffers();
  EXPECT_TRUE(buffers.PutFront(std::as_bytes(std::span("WXYZ", 4))));
  EXPECT_EQ(pieces.text, "WXYZefghij");
  EXPECT_EQ(Take<1>(buffers), "e");
}

TEST(BuffersTest, PutsNothingWhereThereIsTooLittleRoom) {
  Pieces pieces({2, 1});
  Buffers buffers = pieces.buffers();
  EXPECT_FALSE(buffers.PutFront(std::as_bytes(std::span("WXYZ", 4))));
  EXPECT_EQ(pieces.text, "abcdefghij");
}

TEST(BuffersTest, TakesTheLastByteAlsoFromAPieceOfItsOwn) {
  Pieces pieces({2, 1});
  Buffers buffers = pieces.buffers();
  EXPECT_EQ(*buffers.TakeLastByte(), std::byte{'c'});
  EXPECT_EQ(buffers.pieces().size(), 1U);
  EXPECT_EQ(*buffers.TakeLastByte(), std::byte{'b'});
  EXPECT_EQ(*buffers.TakeLastByte(), std::byte{'a'});
  EXPECT_EQ(buffers.TakeLastByte(), nullptr);
}

TEST(BuffersTest, DropsAtMostAll) {
  Pieces pieces({2, 3});
  Buffers buffers = pieces.buffers();
  buffers.DropFront(3);
  EXPECT_EQ(buffers.size_bytes(), 2U);
  buffers.DropFront(100);
  EXPECT_TRUE(buffers.empty());
}

}  // namespace
}  // namespace ember::virtio::testing
