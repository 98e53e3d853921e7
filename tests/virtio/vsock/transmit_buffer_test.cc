#include "virtio/vsock/transmit_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace ember::virtio::testing {
namespace {

void Append(TransmitBuffer& buffer, std::string text) {
  iovec piece{.iov_base = text.data(), .iov_len = text.size()};
  Buffers from(std::span(&piece, text.empty() ? 0 : 1), text.size());
  buffer.Append(from);
}

std::string Content(const TransmitBuffer& buffer) {
  std::array<iovec, 2> room;
  std::string text;
  for (const iovec& piece : buffer.Pieces(room)) {
    text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return text;
}

TEST(TransmitBufferTest, HoldsUpToItsCapacity) {
  TransmitBuffer buffer(8);
  EXPECT_TRUE(buffer.empty());
  Append(buffer, "abcdefgh");
  EXPECT_EQ(Content(buffer), "abcdefgh");
  EXPECT_EQ(buffer.size_bytes(), 8U);
}

TEST(TransmitBufferTest, GivesWrappedBytesInTwoPieces) {
  TransmitBuffer buffer(8);
  Append(buffer, "abcdef");
  buffer.DropFront(4);
  Append(buffer, "ghijkl");
  std::array<iovec, 2> room;
  EXPECT_EQ(buffer.Pieces(room).size(), 2U);
  EXPECT_EQ(Content(buffer), "efghijkl");
}

TEST(TransmitBufferTest, IsEmptyAfterClear) {
  TransmitBuffer buffer(8);
  Append(buffer, "abc");
  buffer.Clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(Content(buffer), "");
  Append(buffer, "defghijk");
  EXPECT_EQ(Content(buffer), "defghijk");
}

TEST(TransmitBufferTest, AgreesWithAStringOverRandomSteps) {
  std::minstd_rand random(1);
  for (const uint32_t capacity : {1U, 2U, 7U, 64U}) {
    TransmitBuffer buffer(capacity);
    std::string model;
    for (int i = 0; i < 5000; ++i) {
      const size_t count = random() % (capacity + 1);
      if (random() % 2 == 0) {
        std::string text(std::min<size_t>(count, capacity - model.size()), ' ');
        std::ranges::generate(text, [&] { return static_cast<char>('a' + random() % 26); });
        Append(buffer, text);
        model += text;
      } else {
        buffer.DropFront(static_cast<uint32_t>(count));
        model.erase(0, count);
      }
      ASSERT_EQ(Content(buffer), model);
    }
  }
}

}  // namespace
}  // namespace ember::virtio::testing
