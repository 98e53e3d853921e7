#ifndef EMBER_VMM_RATE_LIMITER_RATE_LIMITER_JSON_H_
#define EMBER_VMM_RATE_LIMITER_RATE_LIMITER_JSON_H_

#include <string_view>

#include "base/result.h"
#include "vmm/config_json_reader.h"
#include "vmm/config_json_writer.h"
#include "vmm/rate_limiter/rate_limiter_config.h"

// Limits as JSON, the member `field` of a device's object (rate_limiter, rx_rate_limiter, …):
//
//   drive.rate_limiter = TRY(ReadRateLimiter(in, "rate_limiter"));
//   WriteRateLimiter(out, "rate_limiter", drive.rate_limiter);
//
// Errors name the way to what is wrong: "rate_limiter: bandwidth: missing field `size`".
namespace ember::vmm {

// Absent or null is empty. A bucket has what the contract knows and may have more, which is passed
// over; the limiter around it may not.
Result<RateLimiterConfig> ReadRateLimiter(const ObjectReader& in, std::string_view field);
// One bucket alone; absent or null is nothing.
Result<std::optional<TokenBucketConfig>> ReadTokenBucket(const ObjectReader& in,
                                                         std::string_view field);

// null where there is no limit.
void WriteRateLimiter(JsonWriter& out, std::string_view field, const RateLimiterConfig& config);

}  // namespace ember::vmm

#endif  // EMBER_VMM_RATE_LIMITER_RATE_LIMITER_JSON_H_
