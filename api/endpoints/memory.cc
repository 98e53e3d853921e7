#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/endpoints/endpoints.h"
#include "api/survey_under_way.h"
#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

constexpr uint64_t kMib = uint64_t{1} << 20;

void Write(std::string_view name, const HeldMemory& held, vmm::JsonWriter& out) {
  out.BeginObject(name)
      .Field("rss_bytes", held.rss)
      .Field("pss_bytes", held.pss)
      .Field("swap_bytes", held.swap);
}

class MemoryAnswer final : public LateAnswer {
 public:
  static std::unique_ptr<LateAnswer> Begin(const Call& call) {
    std::shared_ptr<SurveyUnderWay> survey = call.survey.lock();
    if (survey == nullptr || survey->result() != nullptr) {
      survey = SurveyUnderWay::Begin(call.controller.vitals().guest_memory(), call.waker);
      call.survey = survey;
    }
    return std::make_unique<MemoryAnswer>(std::move(survey), call.machine.config);
  }
  MemoryAnswer(std::shared_ptr<SurveyUnderWay> survey, const vmm::VmConfig& config)
      : survey_(std::move(survey)) {
    guest_bytes_ = config.machine.mem_size_mib * kMib;
    if (config.balloon) balloon_target_bytes_ = uint64_t{config.balloon->amount_mib} * kMib;
    if (config.memory_hotplug) {
      hotplug_bytes_ = uint64_t{config.memory_hotplug->total_size_mib} * kMib;
    }
  }

  std::optional<Response> Look(TimePoint /*now*/) override {
    const Result<MemorySurvey>* const result = survey_->result();
    if (result == nullptr) return std::nullopt;
    return *result ? Answer(**result) : Fault(result->error().message());
  }
  Response LookLast(TimePoint now) override {
    survey_->Wait();
    return Look(now).value_or(Response{});
  }
  // The survey wakes whoever waits.
  TimePoint next_look() const override { return TimePoint::max(); }

 private:
  Response Answer(const MemorySurvey& survey) const {
    vmm::JsonWriter out;
    out.BeginObject();
    Write("guest", survey.guest, out);
    out.Field("configured_bytes", guest_bytes_);
    WriteOptional("balloon_target_bytes", balloon_target_bytes_, out);
    WriteOptional("hotplug_limit_bytes", hotplug_bytes_, out);
    out.EndObject();
    Write("vmm", survey.vmm, out);
    out.EndObject().EndObject();
    return Ok(std::move(out).Take());
  }
  static void WriteOptional(std::string_view name, std::optional<uint64_t> value,
                            vmm::JsonWriter& out) {
    value ? out.Field(name, *value) : out.Null(name);
  }

  const std::shared_ptr<SurveyUnderWay> survey_;
  uint64_t guest_bytes_ = 0;
  std::optional<uint64_t> balloon_target_bytes_;
  std::optional<uint64_t> hotplug_bytes_;
};

}  // namespace

Result<Outcome> GetMemory(const Call& call) { return MemoryAnswer::Begin(call); }

}  // namespace ember::api
