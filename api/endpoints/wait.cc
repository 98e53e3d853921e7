#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "api/endpoints/endpoints.h"
#include "api/query.h"
#include "base/concat.h"
#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

constexpr uint64_t kDefaultSeconds = 60;
constexpr uint64_t kMaxSeconds = 3600;

// GET / has the first three, by the contract's names.
enum class State : uint8_t { kNotStarted, kRunning, kPaused, kEnded };
constexpr std::array<std::string_view, 4> kStates = {"NotStarted", "Running", "Paused", "Ended"};

std::string_view NameOf(State state) { return kStates.at(static_cast<size_t>(state)); }

State StateOf(const vmm::Controller::Snapshot& machine) {
  if (machine.end) return State::kEnded;
  switch (machine.state) {
    case vmm::MachineState::kNotStarted:
      return State::kNotStarted;
    case vmm::MachineState::kRunning:
      return State::kRunning;
    case vmm::MachineState::kPaused:
      break;
  }
  return State::kPaused;
}

// Names between commas.
Result<std::vector<State>> ParseStates(std::string_view text) {
  std::vector<State> states;
  for (;;) {
    const size_t end = std::min(text.find(','), text.size());
    const auto name = std::ranges::find(kStates, text.substr(0, end));
    if (name == kStates.end()) {
      return Error(Concat("state: unknown variant `", text.substr(0, end),
                          "`, expected one of `NotStarted`, `Running`, `Paused`, `Ended`"));
    }
    states.push_back(static_cast<State>(name - kStates.begin()));
    if (end == text.size()) return states;
    text.remove_prefix(end + 1);
  }
}

class StateAnswer final : public LateAnswer {
 public:
  StateAnswer(const vmm::Controller& controller, std::vector<State> wanted, TimePoint deadline)
      : controller_(controller), wanted_(std::move(wanted)), deadline_(deadline) {}

  std::optional<Response> Look(TimePoint now) override {
    const auto machine = controller_.snapshot();
    const State state = StateOf(*machine);
    const bool reached = std::ranges::find(wanted_, state) != wanted_.end();
    // From the end nothing leads anywhere.
    if (!reached && state != State::kEnded && now < deadline_) return std::nullopt;
    return Answer(*machine, state, reached);
  }
  Response LookLast(TimePoint /*now*/) override {
    const auto machine = controller_.snapshot();
    const State state = StateOf(*machine);
    return Answer(*machine, state, std::ranges::find(wanted_, state) != wanted_.end());
  }
  TimePoint next_look() const override { return deadline_; }

 private:
  Response Answer(const vmm::Controller::Snapshot& machine, State state, bool reached) const {
    vmm::JsonWriter out;
    out.BeginObject()
        .Field("state", NameOf(state))
        .Field("reached", reached)
        .Field("seq", controller_.journal().last());
    if (machine.end) {
      out.Field("reason", machine.end->reason).Field("exit_code", machine.end->exit_code);
    }
    out.EndObject();
    return Ok(std::move(out).Take());
  }

  const vmm::Controller& controller_;
  const std::vector<State> wanted_;
  const TimePoint deadline_;
};

}  // namespace

Result<Outcome> GetWait(const Call& call) {
  static constexpr std::string_view kNames[] = {"state", "timeout"};
  const Query query = TRY(Query::Parse(call.query, kNames));
  const std::optional<std::string_view> text = query.Text("state");
  if (!text) return Error("missing query parameter `state`");
  std::vector<State> wanted = TRY(ParseStates(*text));
  const uint64_t seconds = TRY(query.Number("timeout", kDefaultSeconds, kMaxSeconds));
  return std::make_unique<StateAnswer>(
      call.controller, std::move(wanted),
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds));
}

}  // namespace ember::api
