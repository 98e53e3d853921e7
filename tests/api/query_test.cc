#include "api/query.h"

#include <gtest/gtest.h>

#include <string>

namespace ember::api {
namespace {

constexpr std::string_view kNames[] = {"since", "state"};

std::string Fault(std::string_view text) {
  const Result<Query> query = Query::Parse(text, kNames);
  return query ? "" : query.error().message();
}

std::string NumberFault(std::string_view text) {
  const Result<uint64_t> number = Query::Parse(text, kNames)->Number("since", 0, 100);
  return number ? "" : number.error().message();
}

TEST(QueryTest, ReadsPairs) {
  const Result<Query> query = Query::Parse("since=100&state=Running,Paused", kNames);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->Text("state"), "Running,Paused");
  EXPECT_EQ(*query->Number("since", 0, 100), 100U);
}

TEST(QueryTest, WhatIsAbsentHasItsDefault) {
  const Result<Query> query = Query::Parse("", kNames);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->Text("state"), std::nullopt);
  EXPECT_EQ(*query->Number("since", 7, 100), 7U);
}

TEST(QueryTest, RefusesNamesThatNobodyKnowsAndNamesTwice) {
  EXPECT_EQ(Fault("since=1&until=2"),
            "unknown query parameter `until`, expected `since` or `state`");
  EXPECT_EQ(Fault("since=1&since=2"), "duplicate query parameter `since`");
  EXPECT_EQ(Fault("&"), "unknown query parameter ``, expected `since` or `state`");
  EXPECT_EQ(Fault("=1"), "unknown query parameter ``, expected `since` or `state`");
}

TEST(QueryTest, NumbersAreWholeAndWithinTheirLimit) {
  EXPECT_EQ(NumberFault("since=101"), "since 101 exceeds the limit 100");
  EXPECT_EQ(NumberFault("since=99999999999999999999"),
            "since 99999999999999999999 exceeds the limit 100");
  for (const char* bad : {"since", "since=", "since=-1", "since=+1", "since=1x", "since=0x1"}) {
    EXPECT_NE(NumberFault(bad).find("is not a whole number"), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace ember::api
