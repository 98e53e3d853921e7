#include "vmm/pmem/pmem_json.h"

#include <string>
#include <string_view>

#include "vmm/config_json_reader.h"
#include "vmm/rate_limiter/rate_limiter_json.h"

namespace ember::vmm {

Result<PmemConfig> ReadPmem(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"id",        "path_on_host", "root_device",
                                                 "read_only", "rate_limiter", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  PmemConfig pmem;
  pmem.id = TRY(in.Required<std::string>("id"));
  pmem.path_on_host = TRY(in.Required<std::string>("path_on_host"));
  pmem.root_device = TRY(in.WithDefault("root_device", pmem.root_device));
  pmem.read_only = TRY(in.WithDefault("read_only", pmem.read_only));
  pmem.rate_limiter = TRY(ReadRateLimiter(in, "rate_limiter"));
  pmem.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(pmem.thread);
  return pmem;
}

Result<PmemUpdate> ReadPmemUpdate(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"id", "rate_limiter"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  PmemUpdate update;
  update.id = TRY(in.Required<std::string>("id"));
  update.rate_limiter = TRY(ReadRateLimiter(in, "rate_limiter"));
  return update;
}

void WriteFields(JsonWriter& out, const PmemConfig& pmem) {
  out.Field("id", pmem.id)
      .Field("path_on_host", pmem.path_on_host)
      .Field("root_device", pmem.root_device)
      .Field("read_only", pmem.read_only);
  WriteRateLimiter(out, "rate_limiter", pmem.rate_limiter);
  if (pmem.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, pmem.thread));
  }
}

}  // namespace ember::vmm
