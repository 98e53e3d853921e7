#include "vmm/fork/fork_json.h"

#include <utility>
#include <variant>

#include "base/concat.h"
#include "vmm/config_json_reader.h"
#include "vmm/config_json_writer.h"
#include "vmm/snapshot/snapshot_json.h"

namespace ember::vmm {
namespace {

constexpr std::string_view kSocketPath = "socket_path";
// Of a clone; all but the first are what it is told itself (ReadHandedLoad()).
constexpr std::string_view kCloneFields[] = {
    kSocketPath,         "track_dirty_pages", "resume_vm",
    "network_overrides", "vsock_override",    "drive_overrides",
    "pmem_overrides",    "console_overrides", "clock_realtime"};

Result<ForkClone> ReadClone(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::Create(json, kCloneFields));
  ForkClone clone{
      .socket_path = TRY(in.Required<std::string>(kSocketPath)), .load = {}, .body = {}};
  JsonValue rest = json;
  std::erase_if(std::get<JsonValue::Object>(rest.value),
                [](const JsonValue::Member& member) { return member.name == kSocketPath; });
  clone.load = TRY(ReadHandedLoad(rest));
  clone.body = ToText(rest);
  return clone;
}

}  // namespace

Result<ForkRequest> ReadFork(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"clones", "timeout_ms"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  ForkRequest request;
  const JsonValue* const list = in.FindPart("clones");
  if (list == nullptr) return Error("missing field `clones`");
  const auto* const clones = std::get_if<JsonValue::Array>(&list->value);
  if (clones == nullptr) {
    return Error(Concat("clones: invalid type: ", DescribeJson(*list), ", expected a sequence"));
  }
  for (size_t i = 0; i < clones->size(); ++i) {
    request.clones.push_back(TRY_CONTEXT(ReadClone((*clones)[i]), Concat("clones[", i, "]")));
  }
  const auto timeout = TRY(in.Optional<uint32_t>("timeout_ms"));
  if (timeout) request.timeout = std::chrono::milliseconds(*timeout);
  TRY(Validate(request));
  return request;
}

std::string ForkAnswer(const ForkTimes& times, std::span<const CloneOutcome> outcomes) {
  const auto microseconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  JsonWriter out;
  out.BeginObject()
      .Field("preparation_us", microseconds(times.preparation))
      .Field("pause_us", microseconds(times.pause))
      .BeginArray("clones");
  for (const CloneOutcome& outcome : outcomes) {
    out.BeginObject().Field(kSocketPath, outcome.socket_path);
    if (!outcome.status) out.Field("error", outcome.status.error().message());
    out.EndObject();
  }
  out.EndArray().EndObject();
  return std::move(out).Take();
}

}  // namespace ember::vmm
