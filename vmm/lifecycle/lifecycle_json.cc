#include "vmm/lifecycle/lifecycle_json.h"

#include "vmm/config_json_reader.h"

namespace ember::vmm {
namespace {

constexpr Named<EndPolicy> kPolicies[] = {
    {"Exit", EndPolicy::kExit}, {"Pause", EndPolicy::kPause}, {"Reset", EndPolicy::kReset}};

}  // namespace

Result<LifecycleConfig> ReadLifecycle(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"on_reboot", "on_panic", "on_halt", "on_crash",
                                                 "resets_per_minute"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  LifecycleConfig lifecycle;
  lifecycle.on_reboot = TRY(in.WithDefault("on_reboot", kPolicies, lifecycle.on_reboot));
  lifecycle.on_panic = TRY(in.WithDefault("on_panic", kPolicies, lifecycle.on_panic));
  lifecycle.on_halt = TRY(in.WithDefault("on_halt", kPolicies, lifecycle.on_halt));
  lifecycle.on_crash = TRY(in.WithDefault("on_crash", kPolicies, lifecycle.on_crash));
  lifecycle.resets_per_minute = TRY(in.Optional<uint32_t>("resets_per_minute"));
  return lifecycle;
}

void WriteFields(JsonWriter& out, const LifecycleConfig& lifecycle) {
  out.Field("on_reboot", NameOf(kPolicies, lifecycle.on_reboot))
      .Field("on_panic", NameOf(kPolicies, lifecycle.on_panic))
      .Field("on_halt", NameOf(kPolicies, lifecycle.on_halt))
      .Field("on_crash", NameOf(kPolicies, lifecycle.on_crash));
  if (lifecycle.resets_per_minute) out.Field("resets_per_minute", *lifecycle.resets_per_minute);
}

}  // namespace ember::vmm
