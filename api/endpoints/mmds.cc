#include <utility>

#include "api/endpoints/endpoints.h"
#include "base/log.h"
#include "mmds/metadata.h"
#include "vmm/mmds/mmds_json.h"

namespace ember::api {
namespace {

Result<mmds::Document> ReadDocument(std::string_view body) {
  Result<mmds::Document> document = mmds::Document::Parse(body);
  if (!document) return BodyError(document.error());
  return document;
}

Response ResponseTo(mmds::DataStore::Change change) {
  switch (change) {
    case mmds::DataStore::Change::kMade:
      return {};
    case mmds::DataStore::Change::kTooLarge:
      return Fault("The MMDS patch request doesn't fit.", HttpStatus::kPayloadTooLarge);
    case mmds::DataStore::Change::kNotInitialized:
      break;
  }
  return Fault("The MMDS data store is not initialized.");
}

}  // namespace

Result<Outcome> PutMmdsConfig(const Call& call) {
  vmm::MmdsConfig config = TRY(ReadBody(call.body, vmm::ReadMmds));
  const bool deprecated = config.version == vmm::MmdsVersion::kV1;
  if (deprecated) {
    EMBER_LOG_LIMITED(kWarning, "PUT /mmds/config: version V1 is deprecated; use V2 instead");
  }
  return ActionCall{.action = vmm::PutMmdsConfig{std::move(config)}, .deprecated = deprecated};
}

// These are carried out here: the store is any thread's, and no machine has a part in it.
Result<Outcome> GetMmds(const Call& call) { return Ok(call.metadata.store.ToJson()); }

Result<Outcome> PutMmds(const Call& call) {
  return ResponseTo(call.metadata.store.Replace(TRY(ReadDocument(call.body))));
}

Result<Outcome> PatchMmds(const Call& call) {
  const mmds::Document patch = TRY(ReadDocument(call.body));
  return ResponseTo(call.metadata.store.Merge(patch));
}

}  // namespace ember::api
