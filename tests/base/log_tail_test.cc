#include "base/log_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/concat.h"
#include "base/thread.h"

namespace ember {
namespace {

// Of any length, so that lines lie across the ring's end in every way.
std::string Line(uint64_t number) {
  return Concat("line ", number, " ", std::string(number % 301, 'x'), "\n");
}

TEST(LogTailTest, IsEmptyBeforeTheFirstLine) {
  const LogTail tail;
  EXPECT_EQ(tail.From(tail.Before(10), 100).text, "");
  EXPECT_EQ(tail.end().lines, 0U);
}

TEST(LogTailTest, GivesTheLastLines) {
  LogTail tail;
  for (int i = 0; i < 5; ++i) tail.Append(Concat(i, "\n"));
  EXPECT_EQ(tail.From(tail.Before(2), 100).text, "3\n4\n");
  EXPECT_EQ(tail.From(tail.Before(0), 100).text, "");
  EXPECT_EQ(tail.From(tail.Before(9), 100).text, "0\n1\n2\n3\n4\n");
}

TEST(LogTailTest, PagesAreWholeLinesAndOneAtLeast) {
  LogTail tail;
  tail.Append("first line\n");
  tail.Append("second\n");
  const LogTail::Page first = tail.From({}, 1);
  EXPECT_EQ(first.text, "first line\n");
  EXPECT_EQ(tail.From(first.next, 7).text, "second\n");
  EXPECT_EQ(tail.From({}, 18).text, "first line\nsecond\n");
  EXPECT_EQ(tail.From({}, 17).text, "first line\n");
}

TEST(LogTailTest, AReaderThatKeepsUpMissesNothing) {
  LogTail tail;
  LogTail::Place place;
  std::string expected, got;
  for (uint64_t i = 0; i < 5000; ++i) {
    tail.Append(Line(i));
    expected += Line(i);
    if (i % 7 != 0) continue;
    const LogTail::Page page = tail.From(place, LogTail::kCapacityBytes);
    ASSERT_EQ(page.lost_lines, 0U);
    got += page.text;
    place = page.next;
  }
  got += tail.From(place, LogTail::kCapacityBytes).text;
  EXPECT_TRUE(got == expected);
}

TEST(LogTailTest, ASlowReaderLearnsHowManyLinesAreGone) {
  LogTail tail;
  constexpr uint64_t kLines = 3000;
  for (uint64_t i = 0; i < kLines; ++i) tail.Append(Line(i));
  const LogTail::Page page = tail.From({}, LogTail::kCapacityBytes);
  EXPECT_GT(page.lost_lines, 0U);
  EXPECT_TRUE(page.text.starts_with(Line(page.lost_lines)));
  EXPECT_TRUE(page.text.ends_with(Line(kLines - 1)));
  EXPECT_EQ(page.next.lines, kLines);
  EXPECT_GT(page.text.size(), LogTail::kCapacityBytes - 400);
}

TEST(LogTailTest, ALineAsLongAsTheRingIsTheOnlyOne) {
  LogTail tail;
  tail.Append("short\n");
  const std::string line = std::string(LogTail::kCapacityBytes - 1, 'x') + '\n';
  tail.Append(line);
  EXPECT_TRUE(tail.From({}, 1).text == line);
  tail.Append("next\n");
  EXPECT_EQ(tail.From({}, 1).text, "next\n");
}

TEST(LogTailTest, WritersAndReadersNeedNotKnowOfEachOther) {
  LogTail tail;
  int heard = 0;
  tail.SetListener([&heard] { ++heard; });
  constexpr uint64_t kLines = 2000;
  Thread writer = *Thread::Start("writer", [&tail] {
    for (uint64_t i = 0; i < kLines; ++i) tail.Append(Line(i));
  });
  LogTail::Place place;
  uint64_t lost = 0;
  while (place.lines < kLines) {
    const LogTail::Page page = tail.From(place, 1000);
    lost += page.lost_lines;
    place = page.next;
  }
  writer.Join();
  tail.SetListener({});
  tail.Append("unheard\n");
  EXPECT_EQ(heard, static_cast<int>(kLines));
  EXPECT_LT(lost, kLines);
}

}  // namespace
}  // namespace ember
