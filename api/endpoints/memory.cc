#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/endpoints/endpoints.h"
#include "api/memory_survey.h"
#include "base/thread.h"
#include "base/thread_annotations.h"
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

// A thread of its own looks, as that takes its time where the guest is large.
class MemoryAnswer final : public LateAnswer {
 public:
  static Result<std::unique_ptr<LateAnswer>> Begin(const Call& call) {
    auto answer = std::make_unique<MemoryAnswer>(call.machine.config);
    MemoryAnswer* const self = answer.get();
    answer->thread_ = TRY(Thread::Start(
        "memory", [self, waker = call.waker, guest = call.controller.vitals().guest_memory()] {
          self->Put(SurveyMemory(guest));
          waker->Wake();
        }));
    return std::unique_ptr<LateAnswer>(std::move(answer));
  }
  explicit MemoryAnswer(const vmm::VmConfig& config) {
    guest_bytes_ = config.machine.mem_size_mib * kMib;
    if (config.balloon) balloon_target_bytes_ = uint64_t{config.balloon->amount_mib} * kMib;
    if (config.memory_hotplug) {
      hotplug_bytes_ = uint64_t{config.memory_hotplug->total_size_mib} * kMib;
    }
  }

  std::optional<Response> Look(TimePoint /*now*/) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!survey_) return std::nullopt;
    return *survey_ ? Answer(**survey_) : Fault(survey_->error().message());
  }
  Response LookLast(TimePoint now) override {
    thread_.Join();
    return Look(now).value_or(Response{});
  }
  // The thread wakes whoever waits.
  TimePoint next_look() const override { return TimePoint::max(); }

 private:
  void Put(Result<MemorySurvey> survey) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    survey_ = std::move(survey);
  }

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

  uint64_t guest_bytes_ = 0;
  std::optional<uint64_t> balloon_target_bytes_;
  std::optional<uint64_t> hotplug_bytes_;

  Mutex mutex_;
  std::optional<Result<MemorySurvey>> survey_ GUARDED_BY(mutex_);

  Thread thread_;  // last, so that it ends before what it uses
};

}  // namespace

Result<Outcome> GetMemory(const Call& call) { return TRY(MemoryAnswer::Begin(call)); }

}  // namespace ember::api
