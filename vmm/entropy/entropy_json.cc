#include "vmm/entropy/entropy_json.h"

#include "vmm/config_json_reader.h"
#include "vmm/rate_limiter/rate_limiter_json.h"

namespace ember::vmm {

Result<EntropyConfig> ReadEntropy(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"rate_limiter", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  EntropyConfig entropy;
  entropy.rate_limiter = TRY(ReadRateLimiter(in, "rate_limiter"));
  entropy.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(entropy.thread);
  return entropy;
}

void WriteFields(JsonWriter& out, const EntropyConfig& entropy) {
  WriteRateLimiter(out, "rate_limiter", entropy.rate_limiter);
  if (entropy.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, entropy.thread));
  }
}

}  // namespace ember::vmm
