#include "virtio/net/net_header.h"

#include <gtest/gtest.h>

#include <random>

namespace ember::virtio {
namespace {

// Over random headers: what is let through lies inside the frame.
TEST(NetHeaderTest, LetsNothingThroughThatPointsOutOfTheFrame) {
  constexpr Features kAll = Features::FromBits(~uint64_t{0});
  std::minstd_rand random(1);
  int sound = 0;
  for (int i = 0; i < 200000; ++i) {
    NetHeader header{};
    header.flags = static_cast<uint8_t>(random() % 8);
    header.gso_type = static_cast<uint8_t>(random() % 2 == 0 ? random() % 8 : random());
    header.hdr_len = static_cast<uint16_t>(random() % 300);
    header.gso_size = static_cast<uint16_t>(random() % 4);
    header.csum_start = static_cast<uint16_t>(random() % 8 == 0 ? random() : random() % 200);
    header.csum_offset = static_cast<uint16_t>(random() % 8 == 0 ? random() : random() % 200);
    const uint64_t frame_bytes = kMinFrameBytes + random() % 400;
    const auto checked = CheckTransmitHeader(header, frame_bytes, kAll);
    if (!checked) continue;
    ++sound;
    ASSERT_LE(checked->hdr_len, frame_bytes);
    ASSERT_EQ(checked->flags & ~1, 0);
    if (checked->flags != 0) {
      ASSERT_LE(uint64_t{checked->csum_start} + checked->csum_offset + 2, frame_bytes);
    }
    ASSERT_TRUE(checked->gso_type == 0 || (checked->gso_size > 0 && checked->flags == 1));
  }
  EXPECT_GT(sound, 1000);
}

}  // namespace
}  // namespace ember::virtio
