#include "base/journal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/thread.h"
#include "tests/base/fake_clock.h"

namespace ember {
namespace {

using namespace std::chrono_literals;

class JournalTest : public testing::Test {
 protected:
  FakeClock clock_;
  Journal journal_{clock_};
};

TEST_F(JournalTest, NumbersRecordsFromOne) {
  EXPECT_EQ(journal_.last(), 0U);
  journal_.Append("started");
  journal_.Append("paused", {{"by", std::string("client")}});
  const Journal::Page page = journal_.After(0, 10);
  ASSERT_EQ(page.records.size(), 2U);
  EXPECT_EQ(page.lost, 0U);
  EXPECT_EQ(page.records[0].sequence, 1U);
  EXPECT_EQ(page.records[0].event, "started");
  EXPECT_EQ(page.records[1].sequence, 2U);
  EXPECT_EQ(std::get<std::string>(page.records[1].fields.at(0).value), "client");
  EXPECT_EQ(journal_.last(), 2U);
}

TEST_F(JournalTest, AfterTheLastThereIsNothing) {
  journal_.Append("started");
  EXPECT_TRUE(journal_.After(1, 10).records.empty());
  EXPECT_TRUE(journal_.After(UINT64_MAX, 10).records.empty());
  EXPECT_EQ(journal_.After(UINT64_MAX, 10).lost, 0U);
}

TEST_F(JournalTest, KeepsTheNewestAndSaysHowManyAreLost) {
  for (size_t i = 0; i < Journal::kMaxRecords + 5; ++i) journal_.Append("tick");
  const Journal::Page page = journal_.After(2, Journal::kMaxRecords);
  EXPECT_EQ(page.lost, 3U);
  ASSERT_EQ(page.records.size(), Journal::kMaxRecords);
  EXPECT_EQ(page.records.front().sequence, 6U);
}

TEST_F(JournalTest, GivesNoMoreThanTheLimit) {
  for (int i = 0; i < 5; ++i) journal_.Append("tick");
  EXPECT_EQ(journal_.After(1, 2).records.size(), 2U);
  EXPECT_EQ(journal_.After(1, 2).records.back().sequence, 3U);
}

TEST_F(JournalTest, CutsLongTexts) {
  journal_.Append("tick", {{"text", std::string(100000, 'x')}});
  EXPECT_EQ(std::get<std::string>(journal_.After(0, 1).records[0].fields[0].value).size(),
            Journal::kMaxTextBytes);
}

TEST_F(JournalTest, WhatAGuestCausesIsLimitedAndCounted) {
  for (uint64_t i = 0; i < Journal::kGuestBurst + 7; ++i) journal_.AppendLimited("breach");
  EXPECT_EQ(journal_.last(), Journal::kGuestBurst);
  journal_.Append("paused");  // what others cause is not held back
  clock_.Advance(1s);
  journal_.AppendLimited("breach", {{"device", std::string("net")}});
  const Journal::Page page = journal_.After(Journal::kGuestBurst + 1, 1);
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].fields.back().name, "skipped");
  EXPECT_EQ(std::get<uint64_t>(page.records[0].fields.back().value), 7U);
}

TEST_F(JournalTest, TheListenerHearsOfEachRecordUntilItIsTakenAway) {
  int heard = 0;
  journal_.SetListener([&] { ++heard; });
  journal_.Append("started");
  journal_.Append("paused");
  journal_.SetListener({});
  journal_.Append("resumed");
  EXPECT_EQ(heard, 2);
}

TEST(JournalThreadTest, ThreadsWriteAndReadAtOnceWithoutGaps) {
  constexpr int kWriters = 3;
  constexpr int kEach = 2000;
  Journal journal;
  std::atomic<uint64_t> heard{0};
  journal.SetListener([&] { heard.fetch_add(1, std::memory_order_relaxed); });
  std::vector<Thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(*Thread::Start("writer", [&] {
      for (int n = 0; n < kEach; ++n) journal.Append("tick", {{"n", uint64_t{7}}});
    }));
  }
  uint64_t seen = 0;
  while (seen < kWriters * kEach) {
    const Journal::Page page = journal.After(seen, 100);
    seen += page.lost;
    for (const Journal::Record& record : page.records) ASSERT_EQ(record.sequence, ++seen);
  }
  writers.clear();
  EXPECT_EQ(heard.load(), static_cast<uint64_t>(kWriters * kEach));
}

}  // namespace
}  // namespace ember
