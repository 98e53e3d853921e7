#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "base/event_loop.h"
#include "base/journal.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/fake_machine.h"
#include "tests/vmm/fork/waiting_process.h"
#include "vmm/config_json_value.h"
#include "vmm/controller.h"
#include "vmm/fork/fork_json.h"

namespace ember::vmm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kDone = "HTTP/1.1 204 \r\nServer: x\r\nConnection: close\r\n\r\n";

// A controller with a machine, and processes that wait or pretend to, all on one loop.
class ForkTest : public testing::Test {
 protected:
  void SetUp() override { Start(*controller_); }
  void Start(Controller& controller) {
    ASSERT_TRUE(controller.PerformHere(
        PutBootSource{{.kernel_image_path = directory_.Write("kernel", "kernel")}}));
    ASSERT_TRUE(controller.PerformHere(InstanceStart{}));
  }

  void Wait(const std::string& name, WaitingProcess::Behaviour behaviour) {
    waiting_.push_back(
        std::make_unique<WaitingProcess>(*loop_, directory_.Path(name), std::move(behaviour)));
  }
  Action ForkInto(const std::vector<std::string>& names, uint32_t timeout_ms = 20'000) const {
    std::string clones;
    for (const std::string& name : names) {
      clones += Concat(clones.empty() ? "" : ",", R"({"resume_vm":true,"socket_path":")",
                       directory_.Path(name), R"("})");
    }
    const std::string text =
        Concat(R"({"timeout_ms":)", timeout_ms, R"(,"clones":[)", clones, "]}");
    return ForkMachine{*ReadFork(*ParseJson(text))};
  }
  // The answer, or the error.
  std::string Perform(Action action) {
    std::string answer;
    controller_->Perform(std::move(action), [&](const Result<Reply>& outcome) {
      answer = outcome ? outcome->json : outcome.error().message();
      loop_->Stop();
    });
    loop_->Run();
    return answer;
  }
  // What became of the clones of a fork, in order: "" where there is one.
  std::vector<std::string> Outcomes(const std::string& answer) const {
    std::vector<std::string> outcomes;
    const Result<JsonValue> json = ParseJson(answer);
    if (!json || json->Find("clones") == nullptr) return {answer};
    for (const JsonValue& clone : std::get<JsonValue::Array>(json->Find("clones")->value)) {
      const JsonValue* const error = clone.Find("error");
      outcomes.push_back(error == nullptr ? "" : std::get<std::string>(error->value));
    }
    return outcomes;
  }
  std::vector<std::string> Fork(const std::vector<std::string>& names,
                                uint32_t timeout_ms = 20'000) {
    return Outcomes(Perform(ForkInto(names, timeout_ms)));
  }

  TemporaryDirectory directory_;
  FakeMachineRoom room_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::unique_ptr<Controller> controller_ = std::make_unique<Controller>(*loop_, room_.factory());
  std::vector<std::unique_ptr<WaitingProcess>> waiting_;
};

TEST_F(ForkTest, AMachineIsPausedForNoMoreThanItsFreezing) {
  Wait("clone", {.answer = std::string(kDone)});
  EXPECT_THAT(Fork({"clone"}), ElementsAre(""));
  EXPECT_THAT(room_.events(),
              ElementsAre("start", "check fork of 1", "forget 0", "forget 1", "forget 0",
                          "forget 1", "check fork of 1", "pause", "freeze", "resume"));
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kRunning);
}

TEST_F(ForkTest, AMachineThatCannotBeFrozenGoesOn) {
  room_.FailWith("too cold", "freeze");
  Wait("clone", {.answer = std::string(kDone)});
  EXPECT_THAT(Perform(ForkInto({"clone"})), HasSubstr("too cold"));
  EXPECT_EQ(room_.events().back(), "resume");
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kRunning);
}

TEST_F(ForkTest, AMachineThatDoesNotGoOnIsPausedUntilAClientHasItResume) {
  room_.FailWith("stuck", "resume");
  Wait("clone", {.answer = std::string(kDone)});
  EXPECT_THAT(Perform(ForkInto({"clone"})), HasSubstr("stuck"));
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kPaused);
  EXPECT_EQ(waiting_[0]->request(), "") << "a clone would run beside a machine that may be lost";
  room_.FailWith("");
  EXPECT_EQ(Perform(ResumeVm{}), "");
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kRunning);
  EXPECT_THAT(Fork({"clone"}), ElementsAre(""));
}

TEST_F(ForkTest, APausedMachineStaysPaused) {
  ASSERT_TRUE(controller_->PerformHere(PauseVm{}));
  Wait("clone", {.answer = std::string(kDone)});
  EXPECT_THAT(Fork({"clone"}), ElementsAre(""));
  EXPECT_EQ(room_.events().back(), "freeze");
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kPaused);
}

TEST_F(ForkTest, ACloneIsToldWhatIsOtherAndGetsTheMachinesFiles) {
  Wait("clone", {.answer = std::string(kDone)});
  ASSERT_THAT(Fork({"clone"}), ElementsAre(""));
  EXPECT_THAT(waiting_[0]->request(),
              HasSubstr("PUT /fork/receive HTTP/1.1\r\nHost: clone\r\nConnection: close\r\n"
                        "Content-Length: 18\r\n\r\n{\"resume_vm\":true}"));
  ASSERT_EQ(waiting_[0]->descriptors().size(), 2U);
  EXPECT_EQ(*FileSize(waiting_[0]->descriptors()[0], "state"), 1U);
}

// Each in its own way, and none holds up another.
TEST_F(ForkTest, ClonesThatCannotBeAreToldOneByOne) {
  Wait("good", {.answer = std::string(kDone)});
  Wait("refuses", {.answer = "HTTP/1.1 400 \r\nContent-Length: 26\r\n\r\n"
                             R"({"fault_message":"no \"\u0007\""})"});
  Wait("dies", {.answer = ""});
  Wait("dies midway", {.answer = "HTTP/1.1 40"});
  Wait("babbles", {.answer = std::string(20'000, 'x'), .closes = false});
  Wait("no HTTP", {.answer = "204"});
  Wait("no JSON", {.answer = "HTTP/1.1 400 \r\n\r\nno"});
  Wait("no fault", {.answer = "HTTP/1.1 503 \r\n\r\n{\"fault_message\":7}"});
  EXPECT_THAT(Fork({"absent", "good", "refuses", "dies", "dies midway", "babbles", "no HTTP",
                    "no JSON", "no fault"}),
              ElementsAre(HasSubstr("No such file"), "", "no \"\a\"",
                          HasSubstr("without an answer"), HasSubstr("no end"), HasSubstr("no end"),
                          HasSubstr("not HTTP"), "no reason that could be read", "no reason"));
}

TEST_F(ForkTest, WhoNeverAnswersIsWaitedForNoLongerThanAskedFor) {
  Wait("silent", {.answer = "", .closes = false});
  Wait("deaf", {.answer = "", .accepts = false});
  Wait("good", {.answer = std::string(kDone)});
  EXPECT_THAT(Fork({"silent", "good", "deaf"}, 50),
              ElementsAre(HasSubstr("within 50 ms"), "", HasSubstr("within 50 ms")));
  // The machine goes on, and can be asked again.
  EXPECT_EQ(room_.events().back(), "resume");
  Wait("other", {.answer = std::string(kDone)});
  EXPECT_THAT(Fork({"other"}), ElementsAre(""));
}

TEST_F(ForkTest, WhatTheMachineRefusesChangesNothing) {
  room_.FailWith("no");
  EXPECT_EQ(Perform(ForkInto({"absent"})), "Fork error: no");
  EXPECT_THAT(room_.events(), ElementsAre("start", "check fork of 1"));
}

TEST_F(ForkTest, ForksAreOneAtATime) {
  Wait("silent", {.answer = "", .closes = false});
  std::string first;
  controller_->Perform(ForkInto({"silent"}, 50), [&](const Result<Reply>& outcome) {
    first = outcome ? outcome->json : outcome.error().message();
    loop_->Stop();
  });
  std::string second;
  controller_->Perform(ForkInto({"silent"}), [&](const Result<Reply>& outcome) {
    second = outcome ? "" : outcome.error().message();
  });
  loop_->Run();
  EXPECT_THAT(second, HasSubstr("one at a time"));
  EXPECT_THAT(first, HasSubstr("within 50 ms"));
}

TEST_F(ForkTest, OtherActionsAreCarriedOutMeanwhile) {
  Wait("silent", {.answer = "", .closes = false});
  controller_->Perform(ForkInto({"silent"}), [](const Result<Reply>&) { FAIL() << "too early"; });
  EXPECT_EQ(Perform(PauseVm{}), "");
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kPaused);
  controller_.reset();  // with the fork, which answers nobody
}

TEST_F(ForkTest, AMachineThatWasResetMeanwhileIsNotForked) {
  std::string answer;
  controller_->Perform(ForkInto({"absent"}), [&](const Result<Reply>& outcome) {
    answer = outcome ? "" : outcome.error().message();
    loop_->Stop();
  });
  controller_->Perform(ResetInPlace{}, [](const Result<Reply>&) {});
  loop_->Run();
  EXPECT_THAT(answer, HasSubstr("the machine has ended"));
  EXPECT_EQ(room_.events().back(), "start");
}

// Such as a drive that got the file of a clone's.
TEST_F(ForkTest, AMachineThatWasChangedMeanwhileIsLookedAtAgain) {
  std::string answer;
  controller_->Perform(ForkInto({"absent"}), [&](const Result<Reply>& outcome) {
    answer = outcome ? "" : outcome.error().message();
    loop_->Stop();
  });
  loop_->Post([&] { room_.FailWith("no"); });
  loop_->Run();
  EXPECT_EQ(answer, "Fork error: no");
  EXPECT_EQ(room_.events().back(), "check fork of 1");
}

TEST_F(ForkTest, AMachineThatIsNotThereIsNotForked) {
  controller_ = std::make_unique<Controller>(*loop_, room_.factory());
  EXPECT_THAT(Perform(ForkInto({"absent"})), HasSubstr("before starting"));
}

TEST_F(ForkTest, TheJournalHasHowManyClonesThereAre) {
  Wait("clone", {.answer = std::string(kDone)});
  ASSERT_EQ(Fork({"clone", "absent"}).size(), 2U);
  const Journal::Record record = controller_->journal().After(0, 100).records.back();
  EXPECT_EQ(record.event, "forked");
  ASSERT_EQ(record.fields.size(), 1U);
  EXPECT_EQ(std::get<uint64_t>(record.fields[0].value), 1U);
}

TEST(ForkJsonTest, RequestsHaveTheirLimits) {
  const auto fault = [](std::string_view text) {
    const auto request = ReadFork(*ParseJson(text));
    return request ? "" : request.error().message();
  };
  EXPECT_THAT(fault(R"({})"), HasSubstr("missing field `clones`"));
  EXPECT_THAT(fault(R"({"clones":3})"), HasSubstr("expected a sequence"));
  EXPECT_THAT(fault(R"({"clones":[]})"), HasSubstr("clones is empty"));
  EXPECT_THAT(fault(R"({"clones":[{}]})"), HasSubstr("clones[0]: missing field `socket_path`"));
  EXPECT_THAT(fault(R"({"clones":[{"socket_path":""}]})"), HasSubstr("socket_path is empty"));
  EXPECT_THAT(fault(R"({"clones":[{"socket_path":"a"},{"socket_path":"a"}]})"),
              HasSubstr("socket_path a is there twice"));
  EXPECT_THAT(fault(R"({"clones":[{"socket_path":"a","snapshot_path":"b"}]})"),
              HasSubstr("unknown field `snapshot_path`"));
  EXPECT_THAT(fault(R"({"clones":[{"socket_path":"a"}],"timeout_ms":0})"),
              HasSubstr("timeout_ms 0"));
  EXPECT_THAT(fault(R"({"clones":[{"socket_path":"a"}],"timeout_ms":60001})"),
              HasSubstr("timeout_ms 60001"));
  EXPECT_EQ(fault(R"({"clones":[{"socket_path":"a"}],"timeout_ms":60000})"), "");
  std::string many = R"({"clones":[)";
  for (size_t i = 0; i < kMaxClones; ++i) many += Concat(R"({"socket_path":")", i, R"("},)");
  EXPECT_EQ(fault(Concat(many.substr(0, many.size() - 1), "]}")), "");
  EXPECT_THAT(fault(Concat(many, R"({"socket_path":"a"}]})")), HasSubstr("257 clones exceed"));
}

TEST(ForkRequestTest, ClonesShareNoFileThatIsWrittenTo) {
  ForkRequest request;
  request.clones.push_back({.socket_path = "a", .load = {}, .body = {}});
  VmConfig config;
  EXPECT_TRUE(CheckClones(config, request));
  config.drives = {{.drive_id = "disk", .path_on_host = "/d", .is_read_only = true}};
  config.pmem = {{.id = "pmem", .path_on_host = "/p", .read_only = true}};
  EXPECT_TRUE(CheckClones(config, request));
  const auto fault = [&] {
    const Status can = CheckClones(config, request);
    return can ? "" : can.error().message();
  };
  Overrides& overrides = request.clones.front().load.overrides;
  constexpr std::string_view kPmem =
      "clones[0]: pmem pmem: it can be written to, and needs a file of the clone's own";
  config.pmem.front().read_only = false;
  EXPECT_EQ(fault(), kPmem);
  overrides.pmem = {{.id = "pmem", .path_on_host = "/p"}};
  EXPECT_EQ(fault(), kPmem);
  overrides.pmem = {{.id = "pmem", .path_on_host = "/clone"}};
  EXPECT_EQ(fault(), "");
  constexpr std::string_view kDrive =
      "clones[0]: drive disk: it can be written to, and needs a file of the clone's own";
  config.drives.front().is_read_only = false;
  EXPECT_EQ(fault(), kDrive);
  overrides.drives = {{.drive_id = "disk", .path_on_host = {}, .overlay_path = "/over"}};
  EXPECT_EQ(fault(), kDrive) << "what is below it the machine writes to";
  overrides.drives = {{.drive_id = "disk", .path_on_host = "/clone", .overlay_path = {}}};
  EXPECT_EQ(fault(), kPmem) << "another device of the clone has it";
  overrides.drives = {{.drive_id = "disk", .path_on_host = "/copy", .overlay_path = {}}};
  EXPECT_EQ(fault(), "");
  config.drives.front().overlay_path = "/own";
  EXPECT_EQ(fault(), kDrive);
  overrides.drives = {{.drive_id = "disk", .path_on_host = {}, .overlay_path = "/over"}};
  EXPECT_EQ(fault(), "");
  request.clones.push_back(request.clones.front());
  EXPECT_THAT(fault(), HasSubstr("clones[1]: drive disk"));
}

TEST(ForkRequestTest, OverridesAreOfDevicesThatAreThere) {
  ForkRequest request;
  request.clones.push_back({.socket_path = "a", .load = {}, .body = {}});
  request.clones.front().load.overrides.vsock = VsockOverride{.uds_path = "/v", .guest_cid = {}};
  EXPECT_THAT(CheckClones({}, request).error().message(), HasSubstr("clones[0]: vsock_override"));
}

}  // namespace
}  // namespace ember::vmm
