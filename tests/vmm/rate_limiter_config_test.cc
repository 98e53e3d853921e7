#include "vmm/rate_limiter/rate_limiter_config.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "vmm/rate_limiter/rate_limiter_json.h"

namespace ember::vmm {
namespace {

constexpr TokenBucketConfig kBytes{.size = 1000, .one_time_burst = 50, .refill_time = 100};
constexpr TokenBucketConfig kOps{.size = 10, .refill_time = 1000};

Result<RateLimiterConfig> Read(std::string_view limiter) {
  static constexpr std::string_view kFields[] = {"rate_limiter"};
  const JsonValue json = TRY(ParseJson(Concat(R"({"rate_limiter":)", limiter, "}")));
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return ReadRateLimiter(in, "rate_limiter");
}

std::string ErrorOf(std::string_view limiter) {
  const Result<RateLimiterConfig> config = Read(limiter);
  return config ? "" : config.error().message();
}

std::string Written(const RateLimiterConfig& config) {
  JsonWriter out;
  out.BeginObject();
  WriteRateLimiter(out, "rate_limiter", config);
  out.EndObject();
  return std::move(out).Take();
}

TEST(RateLimiterJsonTest, ALimiterWithoutBucketsIsNone) {
  for (const std::string_view text : {"null", "{}", R"({"bandwidth":null,"ops":null})"}) {
    const Result<RateLimiterConfig> config = Read(text);
    ASSERT_TRUE(config) << text;
    EXPECT_TRUE(config->empty());
  }
}

TEST(RateLimiterJsonTest, EachBucketIsReadWithAllItsFields) {
  const Result<RateLimiterConfig> config =
      Read(R"({"bandwidth":{"size":1000,"one_time_burst":50,"refill_time":100},)"
           R"("ops":{"refill_time":1000,"size":10,"one_time_burst":null}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, (RateLimiterConfig{.bandwidth = kBytes, .ops = kOps}));
}

TEST(RateLimiterJsonTest, EveryNumberOf64BitsIsTaken) {
  const Result<RateLimiterConfig> config =
      Read(R"({"ops":{"size":18446744073709551615,"one_time_burst":0,"refill_time":0}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->ops, (TokenBucketConfig{.size = UINT64_MAX, .one_time_burst = 0}));
  EXPECT_EQ(ErrorOf(R"({"ops":{"size":-1,"refill_time":0}})"),
            "rate_limiter: ops: size: invalid value: integer `-1`, expected u64");
}

TEST(RateLimiterJsonTest, SizeAndRefillTimeAreRequired) {
  EXPECT_EQ(ErrorOf(R"({"bandwidth":{"refill_time":1}})"),
            "rate_limiter: bandwidth: missing field `size`");
  EXPECT_EQ(ErrorOf(R"({"ops":{"size":1}})"), "rate_limiter: ops: missing field `refill_time`");
}

TEST(RateLimiterJsonTest, EachFieldHasItsType) {
  EXPECT_EQ(ErrorOf("[]"), "rate_limiter: invalid type: sequence, expected a map");
  EXPECT_EQ(ErrorOf("false"), "rate_limiter: invalid type: boolean `false`, expected a map");
  EXPECT_EQ(ErrorOf(R"({"ops":7})"),
            "rate_limiter: ops: invalid type: integer `7`, expected a map");
  EXPECT_EQ(ErrorOf(R"({"ops":{"size":"1","refill_time":1}})"),
            R"(rate_limiter: ops: size: invalid type: string "1", expected u64)");
  EXPECT_EQ(ErrorOf(R"({"ops":{"size":1,"refill_time":1.5}})"),
            "rate_limiter: ops: refill_time: invalid type: floating point `1.5`, expected u64");
  EXPECT_EQ(ErrorOf(R"({"ops":{"size":1,"refill_time":1,"one_time_burst":true}})"),
            "rate_limiter: ops: one_time_burst: invalid type: boolean `true`, expected u64");
}

TEST(RateLimiterJsonTest, UnknownFieldsAreErrorsInTheLimiterButNotInABucket) {
  EXPECT_EQ(ErrorOf(R"({"bytes":null})"),
            "rate_limiter: unknown field `bytes`, expected `bandwidth` or `ops`");
  EXPECT_EQ(ErrorOf(R"({"ops":{"size":1,"refill_time":1,"comment":"slow"}})"), "");
}

TEST(RateLimiterJsonTest, WhatIsWrittenIsReadBackTheSame) {
  EXPECT_EQ(Written({}), R"({"rate_limiter":null})");
  EXPECT_EQ(Written({.bandwidth = kBytes}),
            R"({"rate_limiter":{"bandwidth":{"size":1000,"one_time_burst":50,"refill_time":100},)"
            R"("ops":null}})");
  for (const RateLimiterConfig& config :
       {RateLimiterConfig{.bandwidth = kBytes, .ops = kOps}, RateLimiterConfig{.ops = kOps},
        RateLimiterConfig{.ops = TokenBucketConfig{.size = UINT64_MAX, .one_time_burst = 0}}}) {
    const std::string text = Written(config);
    constexpr size_t kBefore = std::string_view(R"({"rate_limiter":)").size();
    const Result<RateLimiterConfig> again = Read(text.substr(kBefore, text.size() - kBefore - 1));
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(*again, config);
  }
}

TEST(RateLimiterConfigTest, OptionsAreTheSameNumbers) {
  const RateLimiterOptions options = ToOptions({.bandwidth = kBytes});
  ASSERT_TRUE(options.bandwidth);
  EXPECT_EQ(options.bandwidth->size, 1000U);
  EXPECT_EQ(options.bandwidth->one_time_burst, 50U);
  EXPECT_EQ(options.bandwidth->refill_time_ms, 100U);
  EXPECT_FALSE(options.ops);
  EXPECT_EQ(ToOptions(kOps).one_time_burst, 0U);
}

TEST(RateLimiterConfigTest, AChangeReplacesTheBucketsItHasAndNoOther) {
  const RateLimiterConfig both{.bandwidth = kBytes, .ops = kOps};
  EXPECT_EQ(Apply(both, {}), both);
  EXPECT_EQ(Apply(both, {.ops = kBytes}), (RateLimiterConfig{.bandwidth = kBytes, .ops = kBytes}));
  EXPECT_EQ(Apply({}, {.bandwidth = kOps}), (RateLimiterConfig{.bandwidth = kOps}));
}

TEST(RateLimiterConfigTest, AChangeToSizeOrRefillTime0EndsTheLimit) {
  const RateLimiterConfig both{.bandwidth = kBytes, .ops = kOps};
  EXPECT_EQ(Apply(both, {.bandwidth = TokenBucketConfig{.size = 0, .refill_time = 100}}),
            (RateLimiterConfig{.ops = kOps}));
  EXPECT_EQ(Apply(both, {.ops = TokenBucketConfig{.size = 100, .refill_time = 0}}),
            (RateLimiterConfig{.bandwidth = kBytes}));
}

}  // namespace
}  // namespace ember::vmm
