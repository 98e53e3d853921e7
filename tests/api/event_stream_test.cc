#include "api/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/concat.h"

namespace ember::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::MatchesRegex;

class EventStreamTest : public testing::Test {
 protected:
  std::string Take(EventStream& stream, EventStream::TimePoint now) {
    std::string out;
    stream.AppendTo(out, now);
    return out;
  }

  const EventStream::TimePoint start_{};
  Journal journal_;
};

TEST_F(EventStreamTest, EachRecordIsALine) {
  journal_.Append("drive_swapped", {{"drive_id", "a\"b"}, {"size", uint64_t{5}}});
  journal_.Append("paused");
  EventStream stream(journal_, {}, start_);
  const std::string time = R"("time":"[0-9]+-[0-9]+-[0-9]+T[0-9:]+\.[0-9]+Z")";
  EXPECT_THAT(Take(stream, start_),
              MatchesRegex(Concat(R"(\{"seq":1,)", time,
                                  R"(,"event":"drive_swapped","drive_id":"a\\"b","size":5\})", "\n",
                                  R"(\{"seq":2,)", time, R"(,"event":"paused"\})", "\n")));
  EXPECT_EQ(Take(stream, start_), "");
}

TEST_F(EventStreamTest, BeginsAfterTheRecordItIsGiven) {
  for (int i = 0; i < 3; ++i) journal_.Append("tick");
  EventStream stream(journal_, {.since = 2}, start_);
  const std::string out = Take(stream, start_);
  EXPECT_THAT(out, HasSubstr(R"("seq":3,)"));
  EXPECT_THAT(out, Not(HasSubstr(R"("seq":2,)")));
}

TEST_F(EventStreamTest, SaysHowManyAreLostAndGoesOn) {
  for (size_t i = 0; i < Journal::kMaxRecords + 9; ++i) journal_.Append("tick");
  EventStream stream(journal_, {}, start_);
  const std::string out = Take(stream, start_);
  EXPECT_THAT(out, MatchesRegex("\\{\"seq\":9,[^\n]*\"event\":\"lost\",\"count\":9\\}\n"
                                "\\{\"seq\":10,(.|\n)*"));
}

TEST_F(EventStreamTest, AppendsAPageAtATimeAndEverythingAtLast) {
  for (size_t i = 0; i < Journal::kMaxRecords; ++i) {
    journal_.Append("tick", {{"text", std::string(Journal::kMaxTextBytes, '"')}});
  }
  EventStream stream(journal_, {}, start_);
  size_t lines = 0;
  while (stream.more()) {
    const std::string page = Take(stream, start_);
    ASSERT_LT(page.size(), EventStream::kPageBytes + 1024);
    lines += static_cast<size_t>(std::count(page.begin(), page.end(), '\n'));
  }
  EXPECT_EQ(lines, Journal::kMaxRecords);
}

TEST_F(EventStreamTest, SpeaksWhenItHasBeenSilentForTheHeartbeat) {
  EventStream stream(journal_, {.heartbeat = 10s}, start_);
  EXPECT_EQ(stream.next_look(), start_ + 10s);
  EXPECT_EQ(Take(stream, start_ + 9s), "");
  EXPECT_THAT(Take(stream, start_ + 10s), HasSubstr(R"("event":"heartbeat")"));
  journal_.Append("paused");
  EXPECT_THAT(Take(stream, start_ + 15s), Not(HasSubstr("heartbeat")));
  EXPECT_EQ(stream.next_look(), start_ + 25s);
}

TEST_F(EventStreamTest, WithoutAHeartbeatItIsSilentForEver) {
  EventStream stream(journal_, {}, start_);
  EXPECT_EQ(stream.next_look(), EventStream::TimePoint::max());
}

}  // namespace
}  // namespace ember::api
