#include "mmds/responder.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/mmds/guest_link.h"

namespace ember::mmds::testing {
namespace {

constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

std::vector<std::byte> ArpRequestFrame(const Ipv4Address& sender, const Ipv4Address& target) {
  std::vector<std::byte> frame(kEthernetHeaderBytes + kArpBytes);
  WriteEthernet({.destination = kBroadcast, .source = kGuestMac, .type = EtherType::kArp}, frame);
  // A reply in which the roles are exchanged is the request.
  WriteArpReply({.sender_mac = {}, .sender = target, .target = sender}, kGuestMac,
                std::span(frame).subspan(kEthernetHeaderBytes));
  frame[kEthernetHeaderBytes + 7] = std::byte{1};
  return frame;
}

TEST(ResponderTest, AnswersWhoAsksForItsAddress) {
  GuestLink link;
  const std::vector<std::byte> request = ArpRequestFrame(kGuestAddress, kDefaultAddress);
  ASSERT_TRUE(link.responder.IsOurs(request));
  EXPECT_FALSE(link.responder.NextIn());
  link.Put(request);
  EXPECT_EQ(link.responder.NextIn(), std::chrono::nanoseconds(0));
  const std::vector<std::byte> reply = link.TakeFrame();
  ASSERT_EQ(reply.size(), kEthernetHeaderBytes + kArpBytes);
  const auto ethernet = ReadEthernet(reply);
  EXPECT_EQ(ethernet->destination, kGuestMac);
  EXPECT_EQ(ethernet->source, Responder::kMacAddress);
  std::vector<std::byte> expected(kArpBytes);
  WriteArpReply({.sender_mac = kGuestMac, .sender = kGuestAddress, .target = kDefaultAddress},
                Responder::kMacAddress, expected);
  EXPECT_TRUE(std::ranges::equal(std::span(reply).subspan(kEthernetHeaderBytes), expected));
  EXPECT_TRUE(link.TakeFrame().empty());
  EXPECT_EQ(link.metrics().tx_frames.value(), 1U);
  EXPECT_EQ(link.metrics().tx_bytes.value(), reply.size());
}

TEST(ResponderTest, AFloodOfQuestionsIsAnsweredOnce) {
  GuestLink link;
  for (int i = 0; i < 1000; ++i) link.Put(ArpRequestFrame(kGuestAddress, kDefaultAddress));
  EXPECT_FALSE(link.TakeFrame().empty());
  EXPECT_TRUE(link.TakeFrame().empty());
}

TEST(ResponderTest, DoesNotAnswerAGuestThatTakesTheAddressItself) {
  GuestLink link;
  link.Put(ArpRequestFrame(kDefaultAddress, kDefaultAddress));
  EXPECT_TRUE(link.TakeFrame().empty());
  EXPECT_EQ(link.metrics().rx_accepted_err.value(), 1U);
}

TEST(ResponderTest, FramesForOthersAreNotOurs) {
  GuestLink link;
  EXPECT_FALSE(link.responder.IsOurs(ArpRequestFrame(kDefaultAddress, kGuestAddress)));
  std::vector<std::byte> frame = GuestLink::Frame({.flags = TcpFlags::kSyn});
  EXPECT_TRUE(link.responder.IsOurs(frame));
  for (size_t bytes = 0; bytes < kEthernetHeaderBytes + kIpv4HeaderBytes; ++bytes) {
    EXPECT_FALSE(link.responder.IsOurs(std::span(frame).first(bytes)));
  }
  EXPECT_TRUE(
      link.responder.IsOurs(std::span(frame).first(kEthernetHeaderBytes + kIpv4HeaderBytes)));
  frame[12] = std::byte{0x86};
  EXPECT_FALSE(link.responder.IsOurs(frame));
}

TEST(ResponderTest, WhatIsNotSoundIsDroppedAndCounted) {
  GuestLink link;
  const std::vector<std::byte> sound = GuestLink::Frame(GuestTcp(link, 1).Segment(TcpFlags::kSyn));
  const auto put_changed = [&](size_t offset, uint8_t bits) {
    std::vector<std::byte> frame = sound;
    frame[offset] ^= std::byte{bits};
    link.Put(frame);
  };
  const auto error_count = [&] { return link.metrics().rx_accepted_err.value(); };
  put_changed(kEthernetHeaderBytes, 0x10);  // version
  EXPECT_EQ(error_count(), 1U);
  put_changed(kEthernetHeaderBytes + 8, 1);  // the header's checksum
  EXPECT_EQ(error_count(), 2U);
  put_changed(kEthernetHeaderBytes + kIpv4HeaderBytes + 4, 1);  // the segment's checksum
  EXPECT_EQ(error_count(), 3U);
  put_changed(kEthernetHeaderBytes + kIpv4HeaderBytes + 12, 0xf0);  // where its data begins
  EXPECT_EQ(error_count(), 4U);
  link.Put(std::span(sound).first(kEthernetHeaderBytes + kIpv4HeaderBytes + 10));
  EXPECT_EQ(error_count(), 5U);
  link.Put(std::span(sound).first(13));
  EXPECT_EQ(link.metrics().rx_bad_eth.value(), 1U);
  EXPECT_TRUE(link.TakeFrame().empty());
  EXPECT_EQ(link.connections(), 0U);
  EXPECT_EQ(link.metrics().rx_count.value(), 0U);
  EXPECT_EQ(link.metrics().rx_accepted.value(), 6U);
}

TEST(ResponderTest, TakesAChecksumThatTheGuestLeftToItsDevice) {
  GuestLink link;
  std::vector<std::byte> frame = GuestLink::Frame(GuestTcp(link, 1).Segment(TcpFlags::kSyn));
  frame[kEthernetHeaderBytes + kIpv4HeaderBytes + 16] ^= std::byte{0x55};
  link.Put(frame);
  EXPECT_TRUE(link.TakeFrame().empty());
  link.Put(frame, TcpChecksum::kPartial);
  EXPECT_FALSE(link.TakeFrame().empty());
}

TEST(ResponderTest, PacketsOfOtherProtocolsAndPiecesAreUnusual) {
  GuestLink link;
  const auto put_with = [&](size_t offset, std::byte value) {
    std::vector<std::byte> frame = GuestLink::Frame(GuestTcp(link, 1).Segment(TcpFlags::kSyn));
    const std::span<std::byte> header = std::span(frame).subspan(kEthernetHeaderBytes);
    // The checksum goes with the change of a byte from `before` to `value`.
    const int before = std::to_integer<int>(header[offset]);
    const int delta = (std::to_integer<int>(value) - before) << (offset % 2 == 0 ? 8 : 0);
    int sum = (std::to_integer<int>(header[10]) << 8 | std::to_integer<int>(header[11])) - delta;
    if (sum < 0) sum -= 1;
    if (sum > 0xffff) sum += 1;
    header[offset] = value;
    header[10] = static_cast<std::byte>(sum >> 8);
    header[11] = static_cast<std::byte>(sum);
    link.Put(frame);
  };
  put_with(9, std::byte{1});  // ICMP
  EXPECT_EQ(link.metrics().rx_accepted_unusual.value(), 1U);
  put_with(6, std::byte{0x20});  // more fragments
  EXPECT_EQ(link.metrics().rx_accepted_unusual.value(), 2U);
  put_with(7, std::byte{1});  // an offset
  EXPECT_EQ(link.metrics().rx_accepted_unusual.value(), 3U);
  EXPECT_TRUE(link.TakeFrame().empty());
}

TEST(ResponderTest, ForgetsEverythingWhenTheGuestBeginsAnew) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  tcp.Send(kGetA);
  link.Put(ArpRequestFrame(kGuestAddress, kDefaultAddress));
  link.responder.Reset();
  EXPECT_TRUE(link.TakeFrame().empty());
  EXPECT_FALSE(link.responder.NextIn());
  EXPECT_EQ(link.connections(), 0U);
  GuestTcp again(link, 1);
  again.Open();
  EXPECT_EQ(again.Exchange(kGetA), kAnswerA);
}

}  // namespace
}  // namespace ember::mmds::testing
