#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/concat.h"
#include "tests/mmds/guest_link.h"

namespace ember::mmds::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Puts a string of so many bytes at /big.
std::string PutBig(GuestLink& link, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + i * 7 % 26);
  EXPECT_EQ(link.metadata.store.Replace(Json(Concat(R"({"big":")", text, R"("})"))),
            DataStore::Change::kMade);
  return text;
}
constexpr std::string_view kGetBig = "GET /big HTTP/1.1\r\n\r\n";

TEST(TcpTest, AConnectionServesRequestAfterRequest) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(tcp.Exchange(kGetA), kAnswerA);
  EXPECT_EQ(link.connections(), 1U);
  EXPECT_FALSE(link.responder.NextIn());
}

TEST(TcpTest, ARequestMayComeInPiecesOfAnySize) {
  for (size_t piece = 1; piece <= kGetA.size(); piece += 3) {
    GuestLink link;
    GuestTcp tcp(link, 1);
    tcp.Open();
    std::string answer;
    for (size_t at = 0; at < kGetA.size(); at += piece) {
      answer += tcp.Exchange(kGetA.substr(at, piece));
    }
    EXPECT_EQ(answer, kAnswerA);
  }
}

TEST(TcpTest, SeveralRequestsMayComeAtOnce) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  EXPECT_EQ(tcp.Exchange(Concat(kGetA, kGetA, kGetA)), Concat(kAnswerA, kAnswerA, kAnswerA));
}

TEST(TcpTest, SegmentsAreNoLongerThanTheGuestSays) {
  const struct {
    std::optional<uint16_t> told;
    std::optional<uint16_t> mtu;
    size_t longest;
  } cases[] = {{1460, {}, 1460}, {100, {}, 100}, {9000, {}, 1460}, {{}, {}, 536},
               {0, {}, 28},      {1, {}, 28},    {1460, 1000, 960}};
  for (const auto& each : cases) {
    GuestLink link(/*needs_token=*/false, each.mtu);
    const std::string text = PutBig(link, 4000);
    GuestTcp tcp(link, 1, 65535, each.told);
    tcp.Open();
    tcp.Send(kGetBig);
    size_t longest = 0;
    std::string all;
    for (const Arrived& one : link.TakeAll()) {
      longest = std::max(longest, one.payload.size());
      all += one.payload;
    }
    EXPECT_EQ(longest, each.longest);
    EXPECT_TRUE(all.ends_with("\r\n\r\n" + text));
  }
}

TEST(TcpTest, WhatIsLostIsSentAgain) {
  GuestLink link;
  const std::string text = PutBig(link, 5000);
  GuestTcp tcp(link, 1);
  tcp.Open();
  tcp.Send(kGetBig);
  const std::vector<Arrived> first = link.TakeAll();
  ASSERT_EQ(first.size(), 4U);
  // The first comes through, the others do not.
  tcp.expected_ += first[0].segment.length();
  tcp.Acknowledge();
  EXPECT_TRUE(link.TakeAll().empty());
  EXPECT_EQ(link.responder.NextIn(), seconds(1));
  link.clock.Advance(seconds(1));
  const std::vector<Arrived> second = link.TakeAll();
  ASSERT_EQ(second.size(), 3U);
  std::string all = first[0].payload;
  for (size_t i = 0; i < second.size(); ++i) {
    EXPECT_EQ(second[i].segment.sequence, first[i + 1].segment.sequence);
    EXPECT_EQ(second[i].payload, first[i + 1].payload);
    all += second[i].payload;
  }
  EXPECT_TRUE(all.ends_with(text));
  // Later tries come later.
  EXPECT_EQ(link.responder.NextIn(), seconds(2));
  // An acknowledgment of the first try is as good.
  tcp.expected_ = first[3].segment.sequence + first[3].segment.length();
  tcp.Acknowledge();
  EXPECT_FALSE(link.responder.NextIn());
  EXPECT_TRUE(tcp.Exchange(kGetBig).ends_with(text));
}

TEST(TcpTest, AGuestThatNeverAnswersIsGivenUp) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  tcp.Send(kGetA);
  ASSERT_EQ(link.TakeAll().size(), 1U);
  for (uint32_t i = 0; i < TcpConnection::kMaxRetries; ++i) {
    const auto wait = link.responder.NextIn();
    ASSERT_TRUE(wait);
    EXPECT_LE(*wait, seconds(8));
    link.clock.Advance(*wait - milliseconds(1));
    EXPECT_TRUE(link.TakeAll().empty());
    link.clock.Advance(milliseconds(1));
    ASSERT_EQ(link.TakeAll().size(), 1U);
  }
  link.clock.Advance(*link.responder.NextIn());
  const std::vector<Arrived> last = link.TakeAll();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_TRUE(last[0].Has(TcpFlags::kRst));
  EXPECT_EQ(link.connections(), 0U);
  EXPECT_EQ(link.metrics().tx_errors.value(), 1U);
  EXPECT_FALSE(link.responder.NextIn());
}

TEST(TcpTest, ALostAnswerToASynIsSentAgain) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.SendSyn();
  ASSERT_EQ(link.TakeAll().size(), 1U);
  tcp.SendSyn();  // the guest's own second try
  ASSERT_EQ(link.TakeAll().size(), 1U);
  link.clock.Advance(seconds(1));
  ASSERT_EQ(link.TakeAll().size(), 1U);
  tcp.Open();  // a third
  EXPECT_EQ(tcp.Exchange(kGetA), kAnswerA);
  EXPECT_EQ(link.metrics().connections_created.value(), 1U);
}

TEST(TcpTest, BytesOutOfOrderAreAskedForAgain) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  TcpSegment late = tcp.Segment(TcpFlags::kAck, kGetA.substr(0, 10));
  TcpSegment early = tcp.Segment(TcpFlags::kAck, kGetA.substr(10));
  early.sequence += 10;
  link.Put(early);
  const std::vector<Arrived> answers = link.TakeAll();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].segment.acknowledgment, tcp.next_);
  EXPECT_TRUE(answers[0].payload.empty());
  link.Put(late);
  tcp.next_ += 10;
  EXPECT_EQ(tcp.Receive(), "");
  EXPECT_EQ(tcp.Exchange(kGetA.substr(10)), kAnswerA);
}

TEST(TcpTest, BytesThatComeTwiceCountOnce) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  const TcpSegment first = tcp.Segment(TcpFlags::kAck, kGetA.substr(0, 10));
  const TcpSegment longer = tcp.Segment(TcpFlags::kAck, kGetA);
  link.Put(first);
  link.Put(first);
  link.TakeAll();
  link.Put(longer);  // what is known, and the rest
  tcp.next_ += static_cast<uint32_t>(kGetA.size());
  EXPECT_EQ(tcp.Receive(), kAnswerA);
  link.Put(longer);
  const std::vector<Arrived> answers = link.TakeAll();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].segment.acknowledgment, tcp.next_);
  EXPECT_TRUE(answers[0].payload.empty());
}

TEST(TcpTest, NothingGoesBeyondTheGuestsWindow) {
  GuestLink link;
  const std::string text = PutBig(link, 20000);
  GuestTcp tcp(link, 1, /*window=*/4000);
  tcp.Open();
  tcp.Send(kGetBig);
  std::string all;
  while (true) {
    const std::vector<Arrived> flight = link.TakeAll();
    if (flight.empty()) break;
    size_t bytes = 0;
    for (const Arrived& one : flight) {
      bytes += one.payload.size();
      tcp.expected_ += one.segment.length();
      all += one.payload;
    }
    EXPECT_LE(bytes, 4000U);
    tcp.Acknowledge();
  }
  EXPECT_TRUE(all.ends_with(text));
}

TEST(TcpTest, AShutWindowIsProbedUntilItOpens) {
  GuestLink link;
  const std::string text = PutBig(link, 3000);
  GuestTcp tcp(link, 1, /*window=*/0);
  tcp.Open();
  tcp.Send(kGetBig);
  std::vector<Arrived> came = link.TakeAll();
  ASSERT_EQ(came.size(), 1U);  // the request is acknowledged
  EXPECT_TRUE(came[0].payload.empty());
  // For ever, as long as the guest says that it is there.
  for (int i = 0; i < 100; ++i) {
    const auto wait = link.responder.NextIn();
    ASSERT_TRUE(wait);
    link.clock.Advance(*wait);
    came = link.TakeAll();
    ASSERT_EQ(came.size(), 1U);
    EXPECT_EQ(came[0].payload.size(), 1U);
    tcp.Acknowledge();  // and not the probe
    EXPECT_TRUE(link.TakeAll().empty());
  }
  tcp.set_window(65535);
  tcp.Acknowledge();
  EXPECT_TRUE(tcp.Receive().ends_with(text));
}

TEST(TcpTest, AGuestThatSaysNoMoreStillGetsItsAnswer) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  tcp.Send(kGetA, TcpFlags::kFin);
  EXPECT_EQ(tcp.Receive(), kAnswerA);
  EXPECT_TRUE(tcp.closed());
  EXPECT_EQ(link.connections(), 0U);
  EXPECT_FALSE(link.responder.NextIn());
}

TEST(TcpTest, AConnectionEndsWhenTheGuestEndsIt) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  EXPECT_EQ(tcp.Exchange(kGetA), kAnswerA);
  tcp.Send("", TcpFlags::kFin);
  EXPECT_EQ(tcp.Receive(), "");
  EXPECT_TRUE(tcp.closed());
  EXPECT_EQ(link.connections(), 0U);
}

TEST(TcpTest, AConnectionEndsAfterAnAnswerWhereTheRequestSaysSo) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  const std::string answer = tcp.Exchange("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(tcp.closed());
  EXPECT_EQ(link.connections(), 1U);  // the guest has not ended it yet
  tcp.Send("more that nobody reads");
  EXPECT_EQ(tcp.Receive(), "");
  tcp.Send("", TcpFlags::kFin);
  EXPECT_EQ(tcp.Receive(), "");
  EXPECT_EQ(link.connections(), 0U);
}

TEST(TcpTest, ARequestThatIsTooLongIsRefusedAndTheConnectionEnds) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  const std::string field = Concat("GET /", std::string(TcpConnection::kReceiveBytes, 'x'));
  const std::string answer = tcp.Exchange(field.substr(0, TcpConnection::kReceiveBytes));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_TRUE(tcp.closed());
}

TEST(TcpTest, MoreThanTheReceiveBufferHoldsIsNotTaken) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  std::string many;
  while (many.size() < 3 * TcpConnection::kReceiveBytes) many += kGetA;
  link.Put(tcp.Segment(TcpFlags::kAck, many));  // as a guest that segments late may send it
  const std::vector<Arrived> answers = link.TakeAll();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers[0].segment.acknowledgment - tcp.next_, TcpConnection::kReceiveBytes);
}

TEST(TcpTest, OnlyAResetInItsPlaceEndsAConnection) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.Open();
  TcpSegment reset = tcp.Segment(TcpFlags::kRst);
  reset.sequence += 1;
  link.Put(reset);
  EXPECT_EQ(link.TakeAll().size(), 1U);  // which asks whether it was meant
  reset.sequence -= 2;
  link.Put(reset);
  EXPECT_TRUE(link.TakeAll().empty());
  EXPECT_EQ(link.connections(), 1U);
  reset.sequence += 1;
  link.Put(reset);
  EXPECT_TRUE(link.TakeAll().empty());
  EXPECT_EQ(link.connections(), 0U);
}

TEST(TcpTest, AcknowledgmentsOfWhatWasNeverSentAreRefused) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.SendSyn();
  link.TakeAll();
  TcpSegment blind = tcp.Segment(TcpFlags::kAck, kGetA);
  blind.sequence += 1;
  link.Put(blind);  // of a guest that guesses
  EXPECT_TRUE(link.TakeAll().empty());
  tcp.Open();
  TcpSegment ahead = tcp.Segment(TcpFlags::kAck, kGetA);
  ahead.acknowledgment += 100;
  link.Put(ahead);
  const std::vector<Arrived> answers = link.TakeAll();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_TRUE(answers[0].payload.empty());
  EXPECT_EQ(tcp.Exchange(kGetA), kAnswerA);
}

TEST(TcpTest, SequenceNumbersMayWrap) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.next_ = 0xfffffff8;
  tcp.Open();
  EXPECT_EQ(tcp.Exchange(kGetA), kAnswerA);
  EXPECT_EQ(tcp.Exchange(kGetA), kAnswerA);
}

TEST(TcpTest, SegmentsOfNoConnectionAreReset) {
  GuestLink link;
  GuestTcp tcp(link, 1);
  tcp.expected_ = 77;
  link.Put(tcp.Segment(TcpFlags::kAck));
  TcpSegment other_port = tcp.Segment(TcpFlags::kSyn);
  other_port.destination_port = 81;
  link.Put(other_port);
  link.Put(tcp.Segment(TcpFlags::kRst));
  const std::vector<Arrived> answers = link.TakeAll();
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].segment.flags, TcpFlags::kRst);
  EXPECT_EQ(answers[0].segment.sequence, 77U);
  EXPECT_EQ(answers[1].segment.flags, TcpFlags::kRst | TcpFlags::kAck);
  EXPECT_EQ(answers[1].segment.acknowledgment, tcp.next_ + 1);
}

TEST(TcpTest, ManyConnectionsAreServedAtOnceAndInTurn) {
  GuestLink link;
  std::vector<GuestTcp> all;
  for (uint16_t i = 0; i < TcpServer::kMaxConnections; ++i) {
    all.emplace_back(link, static_cast<uint16_t>(1000 + i)).Open();
  }
  for (GuestTcp& tcp : all) tcp.Send(kGetA);
  std::vector<uint16_t> ports;
  for (const Arrived& one : link.TakeAll()) ports.push_back(one.segment.destination_port);
  std::ranges::sort(ports);
  ASSERT_EQ(ports.size(), all.size());
  EXPECT_EQ(std::ranges::unique(ports).begin(), ports.end());
}

TEST(TcpTest, ANewcomerHasThePlaceOfOneThatStoodStill) {
  GuestLink link;
  std::vector<GuestTcp> all;
  for (uint16_t i = 0; i < TcpServer::kMaxConnections; ++i) {
    link.clock.Advance(milliseconds(1));
    all.emplace_back(link, static_cast<uint16_t>(1000 + i)).Open();
  }
  GuestTcp newcomer(link, 7);
  newcomer.SendSyn();
  std::vector<Arrived> answers = link.TakeAll();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_TRUE(answers[0].Has(TcpFlags::kRst));
  EXPECT_EQ(all.front().Exchange(kGetA), kAnswerA);  // so the second is the oldest
  link.clock.Advance(seconds(30));
  newcomer.Open();
  EXPECT_EQ(link.connections(), TcpServer::kMaxConnections);
  EXPECT_EQ(newcomer.Exchange(kGetA), kAnswerA);
  EXPECT_EQ(all.front().Exchange(kGetA), kAnswerA);
  all[1].Send(kGetA);
  all[1].Receive();
  EXPECT_TRUE(all[1].reset());
}

TEST(TcpTest, AFloodOfSynsKeepsNobodyOutForLong) {
  GuestLink link;
  GuestTcp before(link, 1);
  before.Open();
  for (uint16_t i = 0; i < 5000; ++i) {
    TcpSegment syn = before.Segment(TcpFlags::kSyn);
    syn.source_port = static_cast<uint16_t>(2000 + i);
    link.Put(syn);
  }
  EXPECT_EQ(link.connections(), TcpServer::kMaxConnections);
  // One answer for each half-open connection, and the resets there was room for.
  EXPECT_EQ(link.TakeAll().size(), TcpServer::kMaxConnections - 1 + TcpServer::kMaxResets);
  EXPECT_EQ(before.Exchange(kGetA), kAnswerA);
  link.clock.Advance(seconds(1));
  link.TakeAll();
  GuestTcp after(link, 2);
  after.Open();
  EXPECT_EQ(after.Exchange(kGetA), kAnswerA);
  EXPECT_EQ(before.Exchange(kGetA), kAnswerA);
}

}  // namespace
}  // namespace ember::mmds::testing
