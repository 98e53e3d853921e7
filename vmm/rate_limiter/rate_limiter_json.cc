#include "vmm/rate_limiter/rate_limiter_json.h"

namespace ember::vmm {
namespace {

Result<TokenBucketConfig> ReadBucket(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::CreateTolerant(json));
  TokenBucketConfig bucket;
  bucket.size = TRY(in.Required<uint64_t>("size"));
  bucket.one_time_burst = TRY(in.Optional<uint64_t>("one_time_burst"));
  bucket.refill_time = TRY(in.Required<uint64_t>("refill_time"));
  return bucket;
}

Result<RateLimiterConfig> ReadLimiter(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"bandwidth", "ops"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  RateLimiterConfig config;
  config.bandwidth = TRY(ReadTokenBucket(in, "bandwidth"));
  config.ops = TRY(ReadTokenBucket(in, "ops"));
  return config;
}

void WriteBucket(JsonWriter& out, std::string_view field,
                 const std::optional<TokenBucketConfig>& bucket) {
  if (!bucket) {
    out.Null(field);
    return;
  }
  out.BeginObject(field).Field("size", bucket->size);
  if (bucket->one_time_burst) {
    out.Field("one_time_burst", *bucket->one_time_burst);
  } else {
    out.Null("one_time_burst");
  }
  out.Field("refill_time", bucket->refill_time).EndObject();
}

}  // namespace

Result<std::optional<TokenBucketConfig>> ReadTokenBucket(const ObjectReader& in,
                                                         std::string_view field) {
  const JsonValue* json = in.FindPart(field);
  if (json == nullptr) return std::optional<TokenBucketConfig>();
  return std::optional<TokenBucketConfig>(TRY_CONTEXT(ReadBucket(*json), field));
}

Result<RateLimiterConfig> ReadRateLimiter(const ObjectReader& in, std::string_view field) {
  const JsonValue* json = in.FindPart(field);
  if (json == nullptr) return RateLimiterConfig{};
  return TRY_CONTEXT(ReadLimiter(*json), field);
}

void WriteRateLimiter(JsonWriter& out, std::string_view field, const RateLimiterConfig& config) {
  if (config.empty()) {
    out.Null(field);
    return;
  }
  out.BeginObject(field);
  WriteBucket(out, "bandwidth", config.bandwidth);
  WriteBucket(out, "ops", config.ops);
  out.EndObject();
}

}  // namespace ember::vmm
