#include <algorithm>
#include <memory>
#include <vector>

#include "api/endpoints/endpoints.h"
#include "api/query.h"
#include "vmm/config_json_writer.h"
#include "vmm/vitals.h"

namespace ember::api {
namespace {

using vmm::VcpuPulse;
using vmm::Vitals;

constexpr uint64_t kDefaultMs = 1000;
constexpr uint64_t kMaxMs = 10000;
// Carrying out what a client asked for, the loop is busy so long and stuck after it.
constexpr std::chrono::seconds kLongestAction{60};
// A vCPU thread that was seen in the VMM's code is looked at again; it leaves it in microseconds.
constexpr std::chrono::milliseconds kSampleInterval{5};

class HealthAnswer final : public LateAnswer {
 public:
  HealthAnswer(const Vitals& vitals, const std::shared_ptr<Waker>& waker, TimePoint now,
               std::chrono::milliseconds patience)
      : vitals_(vitals),
        deadline_(now + patience),
        next_look_(now + std::min<TimePoint::duration>(patience, kSampleInterval)),
        loops_(vitals.AskLoops([waker] { waker->Wake(); })),
        first_(vitals.SampleVcpus()) {}

  std::optional<Response> Look(TimePoint now) override {
    const bool well = std::ranges::all_of(loops_, Answered) && !AnyVcpuMayBeStuck();
    if (!well && now < deadline_) {
      if (now >= next_look_) next_look_ = std::min(now + kSampleInterval, deadline_);
      return std::nullopt;
    }
    return Answer();
  }
  Response LookLast(TimePoint /*now*/) override { return Answer(); }
  TimePoint next_look() const override { return next_look_; }

 private:
  using Check = std::shared_ptr<const Vitals::LoopCheck>;

  static bool Answered(const Check& check) {
    return check->answer_us.load(std::memory_order_relaxed) >= 0 || Gone(check);
  }
  // Its thread has ended meanwhile, with a machine that was reset.
  static bool Gone(const Check& check) { return check->gone.load(std::memory_order_relaxed); }

  // Since the first look it has not left the same exit.
  bool MayBeStuck(const Vitals::VcpuSample& sample) const {
    if (VcpuPulse::StateOf(sample.beat) != VcpuPulse::State::kExit) return false;
    return std::ranges::any_of(first_, [&](const Vitals::VcpuSample& first) {
      return first.index == sample.index && first.beat == sample.beat;
    });
  }
  bool AnyVcpuMayBeStuck() const {
    return std::ranges::any_of(vitals_.SampleVcpus(),
                               [this](const auto& sample) { return MayBeStuck(sample); });
  }

  std::string_view StateOf(const Vitals::VcpuSample& sample) const {
    if (MayBeStuck(sample)) return "stuck";
    switch (VcpuPulse::StateOf(sample.beat)) {
      case VcpuPulse::State::kPaused:
        return "paused";
      case VcpuPulse::State::kGuest:
        return "guest";
      case VcpuPulse::State::kExit:
        return "exit";
      case VcpuPulse::State::kEnded:
        break;
    }
    return "ended";
  }

  // "responsive", "busy" or "stuck", and how long it took or has taken.
  bool WriteLoop(const Check& check, bool may_be_busy, vmm::JsonWriter& out) const {
    const int64_t answer_us = check->answer_us.load(std::memory_order_relaxed);
    if (answer_us >= 0) {
      out.Field("state", "responsive").Field("answer_us", answer_us);
      return true;
    }
    const auto age = may_be_busy ? vitals_.action_age() : std::nullopt;
    if (!age) {
      out.Field("state", "stuck");
      return false;
    }
    const bool busy = *age < kLongestAction;
    out.Field("state", busy ? "busy" : "stuck")
        .Field("busy_ms", std::chrono::duration_cast<std::chrono::milliseconds>(*age).count());
    return busy;
  }

  Response Answer() const {
    bool healthy = true;
    vmm::JsonWriter out;
    out.BeginObject();
    // The first is the VMM's.
    out.BeginObject("loop");
    if (!loops_.empty()) healthy = WriteLoop(loops_.front(), true, out) && healthy;
    out.EndObject().BeginArray("vcpus");
    for (const Vitals::VcpuSample& sample : vitals_.SampleVcpus()) {
      healthy = healthy && !MayBeStuck(sample);
      out.BeginObject().Field("index", sample.index).Field("state", StateOf(sample)).EndObject();
    }
    out.EndArray().BeginArray("device_threads");
    for (size_t i = 1; i < loops_.size(); ++i) {
      if (loops_[i]->answer_us.load(std::memory_order_relaxed) < 0 && Gone(loops_[i])) continue;
      out.BeginObject().Field("name", loops_[i]->name);
      healthy = WriteLoop(loops_[i], false, out) && healthy;
      out.EndObject();
    }
    out.EndArray().Field("healthy", healthy).EndObject();
    return {.status = healthy ? HttpStatus::kOk : HttpStatus::kServiceUnavailable,
            .body = std::move(out).Take()};
  }

  const Vitals& vitals_;
  const TimePoint deadline_;
  TimePoint next_look_;
  const std::vector<Check> loops_;
  const std::vector<Vitals::VcpuSample> first_;
};

}  // namespace

Result<Outcome> GetHealth(const Call& call) {
  static constexpr std::string_view kNames[] = {"timeout_ms"};
  const Query query = TRY(Query::Parse(call.query, kNames));
  const uint64_t timeout_ms = TRY(query.Number("timeout_ms", kDefaultMs, kMaxMs));
  return std::make_unique<HealthAnswer>(call.controller.vitals(), call.waker,
                                        std::chrono::steady_clock::now(),
                                        std::chrono::milliseconds(timeout_ms));
}

}  // namespace ember::api
