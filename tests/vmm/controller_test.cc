#include "vmm/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/fake_machine.h"
#include "tests/vmm/metrics/metrics_fixture.h"

namespace ember::vmm {
namespace {

using testing::ElementsAre;

class ControllerTest : public testing::Test {
 protected:
  BootSource Kernel() { return {.kernel_image_path = directory_.Write("kernel", "kernel")}; }
  void Start() {
    ASSERT_TRUE(controller_->PerformHere(PutBootSource{Kernel()}));
    ASSERT_TRUE(controller_->PerformHere(InstanceStart{}));
  }
  std::string Fault(const Action& action) {
    const Result<Reply> status = controller_->PerformHere(action);
    return status ? "" : status.error().message();
  }

  TemporaryDirectory directory_;
  FakeMachineRoom room_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::unique_ptr<Controller> controller_ = std::make_unique<Controller>(*loop_, room_.factory());
};

TEST_F(ControllerTest, BeginsWithTheDefaults) {
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kNotStarted);
  EXPECT_EQ(controller_->snapshot()->config, VmConfig{});
}

TEST_F(ControllerTest, EachActionOfTheOtherPhaseIsRefused) {
  constexpr char kBefore[] =
      "The requested operation is not supported before starting the microVM.";
  constexpr char kAfter[] = "The requested operation is not supported after starting the microVM.";
  const std::vector<Action> running = {PauseVm{},          ResumeVm{},     SendCtrlAltDel{},
                                       PressPowerButton{}, ResetInPlace{}, FlushMetrics{}};
  for (const Action& action : running) EXPECT_EQ(Fault(action), kBefore) << action.index();
  Start();
  const VmConfig config = controller_->snapshot()->config;
  const std::vector<Action> preboot = {PutMachineConfig{},
                                       PatchMachineConfig{},
                                       PutBootSource{Kernel()},
                                       PutDrive{},
                                       PutPmem{},
                                       PutNetworkInterface{},
                                       PutSerial{},
                                       PutBalloon{},
                                       PutEntropy{},
                                       PutConsole{},
                                       PutVsock{},
                                       PutMemoryHotplug{},
                                       PutLifecycle{},
                                       PutLogger{},
                                       PutMetrics{},
                                       InstanceStart{}};
  for (const Action& action : preboot) EXPECT_EQ(Fault(action), kAfter) << action.index();
  EXPECT_EQ(controller_->snapshot()->config, config);
}

TEST_F(ControllerTest, ErrorChangesNothing) {
  ASSERT_TRUE(controller_->PerformHere(PutMachineConfig{{.vcpu_count = 2, .mem_size_mib = 64}}));
  const VmConfig before = controller_->snapshot()->config;
  EXPECT_NE(Fault(PutMachineConfig{{.vcpu_count = 64, .mem_size_mib = 1}}), "");
  EXPECT_NE(Fault(PatchMachineConfig{{.vcpu_count = 0, .mem_size_mib = 1}}), "");
  EXPECT_NE(Fault(PutBootSource{{.kernel_image_path = directory_.Path("absent")}}), "");
  EXPECT_NE(Fault(PutDrive{{.drive_id = "a", .path_on_host = directory_.Path("absent")}}), "");
  EXPECT_EQ(controller_->snapshot()->config, before);
}

TEST_F(ControllerTest, ReadOnlyDriveNeedsNoPermissionToWrite) {
  // A running program's own file can be read but not written, even by root.
  const DriveConfig drive{.drive_id = "a", .path_on_host = "/proc/self/exe"};
  EXPECT_THAT(Fault(PutDrive{drive}), testing::HasSubstr("Text file busy"));
  DriveConfig read_only = drive;
  read_only.is_read_only = true;
  EXPECT_EQ(Fault(PutDrive{read_only}), "");
}

TEST_F(ControllerTest, DriveWithASocketNeedsOneThatIsThere) {
  const DriveConfig drive{.drive_id = "a", .socket = directory_.Path("absent")};
  EXPECT_THAT(Fault(PutDrive{drive}), testing::HasSubstr("socket: there is no socket at"));
}

TEST_F(ControllerTest, DriveWithASocketExcludesMemoryThatComesLater) {
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  const std::string path = directory_.Path("back_end");
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const PutDrive drive{.drive = {.drive_id = "a", .socket = path}};
  EXPECT_EQ(Fault(PutMemoryHotplug{{.total_size_mib = 128}}), "");
  EXPECT_THAT(Fault(drive), testing::HasSubstr("drive a has a socket"));
  EXPECT_EQ(controller_->snapshot()->config.drives.size(), 0U);
}

TEST_F(ControllerTest, DriveWithAnOverlayIsOnlyRead) {
  DriveConfig drive{.drive_id = "a",
                    .path_on_host = "/proc/self/exe",
                    .overlay_path = directory_.Path("overlay")};
  EXPECT_EQ(Fault(PutDrive{drive}), "");
  drive.overlay_path = directory_.Path("absent/overlay");
  EXPECT_THAT(Fault(PutDrive{drive}), testing::HasSubstr("overlay_path: open"));
  drive.overlay_path = "/proc/self/exe";
  EXPECT_THAT(Fault(PutDrive{drive}), testing::HasSubstr("Text file busy"));
}

TEST_F(ControllerTest, PauseAndResumeShowInTheState) {
  Start();
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kRunning);
  EXPECT_EQ(Fault(PauseVm{}), "");
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kPaused);
  EXPECT_EQ(Fault(ResumeVm{}), "");
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kRunning);
  EXPECT_THAT(room_.events(), ElementsAre("start", "pause", "resume"));
}

TEST_F(ControllerTest, StartThatFailsLeavesTheConfigurationToBeMended) {
  ASSERT_TRUE(controller_->PerformHere(PutBootSource{Kernel()}));
  const VmConfig before = controller_->snapshot()->config;
  room_.FailWith("no memory");
  EXPECT_EQ(Fault(InstanceStart{}), "no memory");
  EXPECT_EQ(controller_->snapshot()->config, before);
  EXPECT_EQ(controller_->snapshot()->state, MachineState::kNotStarted);
  room_.FailWith("");
  EXPECT_EQ(Fault(InstanceStart{}), "");
}

TEST_F(ControllerTest, SnapshotStaysAsItWas) {
  const auto before = controller_->snapshot();
  ASSERT_TRUE(controller_->PerformHere(PatchMachineConfig{{.vcpu_count = 3}}));
  EXPECT_EQ(before->config.machine.vcpu_count, 1u);
  EXPECT_EQ(controller_->snapshot()->config.machine.vcpu_count, 3u);
}

TEST_F(ControllerTest, ActionsAreCarriedOutInOrderAndShownBeforeTheirOutcome) {
  std::vector<uint32_t> seen;
  for (const uint32_t count : {2u, 3u, 4u}) {
    controller_->Perform(PatchMachineConfig{{.vcpu_count = count}},
                         [&](const Result<Reply>& outcome) {
                           EXPECT_TRUE(outcome);
                           seen.push_back(controller_->snapshot()->config.machine.vcpu_count);
                           if (seen.size() == 3) loop_->Stop();
                         });
  }
  EXPECT_THAT(seen, ElementsAre());
  loop_->Run();
  EXPECT_THAT(seen, ElementsAre(2, 3, 4));
}

TEST_F(ControllerTest, ActionThatTheLoopDoesNotReachHasNoOutcome) {
  bool called = false;
  const auto alive = std::make_shared<int>(0);
  controller_->Perform(SendCtrlAltDel{}, [&called, alive](const Result<Reply>&) { called = true; });
  EXPECT_EQ(alive.use_count(), 2);
  controller_.reset();
  loop_.reset();
  EXPECT_FALSE(called);
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(ControllerTest, MachineEndsWithItsController) {
  Start();
  controller_.reset();
  EXPECT_THAT(room_.events(), ElementsAre("start", "end"));
}

class GuestEndTest : public ControllerTest {
 protected:
  // What the loop does with what was posted to it.
  void RunLoop() {
    loop_->Post([this] { loop_->Stop(); });
    loop_->Run();
  }
  bool End(EndCause cause) {
    return controller_->OnGuestEnd({.reason = "it ended", .cause = cause},
                                   [this](const Error& error) { failure_ = error.message(); });
  }
  // The ends, each with what the loop does about it, and whether the process goes on; once.
  std::vector<bool> EndInTurn(const std::vector<EndCause>& causes) {
    std::vector<bool> goes_on;
    const std::function<void()> next = [&] {
      if (goes_on.size() == causes.size()) return loop_->Stop();
      goes_on.push_back(End(causes[goes_on.size()]));
      loop_->Post([&next] { next(); });
    };
    next();
    loop_->Run();
    return goes_on;
  }
  void StartWith(const LifecycleConfig& lifecycle) {
    ASSERT_TRUE(controller_->PerformHere(PutLifecycle{lifecycle}));
    Start();
  }
  std::vector<std::string> Events() {
    std::vector<std::string> events;
    for (const Journal::Record& record : controller_->journal().After(0, 100).records) {
      if (record.event != "configured") events.emplace_back(record.event);
    }
    return events;
  }
  MachineState state() const { return controller_->snapshot()->state; }

  std::string failure_;
};

TEST_F(GuestEndTest, WithoutAPolicyTheProcessEnds) {
  Start();
  for (const EndCause cause : {EndCause::kPowerOff, EndCause::kReboot, EndCause::kPanic,
                               EndCause::kTripleFault, EndCause::kFailure}) {
    EXPECT_FALSE(End(cause));
  }
  EXPECT_THAT(Events(), ElementsAre("started", "guest_powered_off", "guest_rebooted",
                                    "guest_panicked", "guest_crashed", "failed"));
}

TEST_F(GuestEndTest, PauseLeavesTheMachinePaused) {
  StartWith({.on_panic = EndPolicy::kPause});
  EXPECT_TRUE(End(EndCause::kPanic));
  EXPECT_EQ(state(), MachineState::kPaused);
  ASSERT_TRUE(controller_->PerformHere(ResumeVm{}));
  EXPECT_EQ(state(), MachineState::kRunning);
  EXPECT_THAT(Events(), ElementsAre("started", "guest_panicked", "paused", "resumed"));
}

TEST_F(GuestEndTest, ResetStartsAnotherMachineOfTheSameConfiguration) {
  StartWith({.on_reboot = EndPolicy::kReset});
  const VmConfig before = controller_->snapshot()->config;
  EXPECT_TRUE(End(EndCause::kReboot));
  EXPECT_THAT(room_.events(), ElementsAre("start"));  // not while the machine is on the stack
  RunLoop();
  EXPECT_THAT(room_.events(), ElementsAre("start", "end", "start"));
  EXPECT_EQ(room_.started_config(), before);
  EXPECT_EQ(state(), MachineState::kRunning);
  EXPECT_THAT(Events(), ElementsAre("started", "guest_rebooted", "reset"));
}

TEST_F(GuestEndTest, EachCauseHasItsOwnPolicy) {
  StartWith({.on_halt = EndPolicy::kPause, .on_crash = EndPolicy::kPause});
  EXPECT_TRUE(End(EndCause::kPowerOff));
  EXPECT_TRUE(End(EndCause::kTripleFault));
  EXPECT_FALSE(End(EndCause::kReboot));
  EXPECT_FALSE(End(EndCause::kPanic));
  EXPECT_FALSE(End(EndCause::kFailure));
}

TEST_F(GuestEndTest, ResetsBeyondTheLimitEndTheProcess) {
  StartWith(
      {.on_reboot = EndPolicy::kReset, .on_crash = EndPolicy::kReset, .resets_per_minute = 2});
  ASSERT_TRUE(controller_->PerformHere(ResetInPlace{}));  // a client's, which does not count
  EXPECT_THAT(EndInTurn({EndCause::kReboot, EndCause::kTripleFault, EndCause::kReboot}),
              ElementsAre(true, true, false));
  EXPECT_THAT(Events(), ElementsAre("started", "reset", "guest_rebooted", "reset", "guest_crashed",
                                    "reset", "guest_rebooted", "reset_limit_reached"));
}

TEST_F(GuestEndTest, AGuestThatIsResetForEverDoesNotFloodTheJournal) {
  StartWith({.on_crash = EndPolicy::kReset});
  const uint64_t before = controller_->journal().last();
  const std::vector<EndCause> ends(1000, EndCause::kTripleFault);
  EXPECT_THAT(EndInTurn(ends), testing::Each(true));
  EXPECT_LT(controller_->journal().last() - before, 2 * ends.size());
}

TEST(ResetRateTest, CountsThoseOfTheLastMinute) {
  ResetRate rate;
  using std::chrono::seconds;
  EXPECT_TRUE(rate.Admit(2, seconds(100)));
  EXPECT_TRUE(rate.Admit(2, seconds(130)));
  EXPECT_FALSE(rate.Admit(2, seconds(159)));
  EXPECT_TRUE(rate.Admit(2, seconds(160)));
  EXPECT_FALSE(rate.Admit(2, seconds(189)));
  EXPECT_TRUE(rate.Admit(2, seconds(190)));
}

TEST(LifecycleConfigTest, ResetsPerMinuteHaveTheirRange) {
  for (const uint32_t resets : {1U, 1000U}) {
    EXPECT_TRUE(Validate(LifecycleConfig{.resets_per_minute = resets}));
  }
  EXPECT_EQ(Validate(LifecycleConfig{.resets_per_minute = 0}).error().message(),
            "resets_per_minute is 0, which is below 1");
  EXPECT_EQ(Validate(LifecycleConfig{.resets_per_minute = 1001}).error().message(),
            "resets_per_minute 1001 exceeds the limit 1000");
}

TEST_F(GuestEndTest, MetricsGoOnWithTheNewMachine) {
  const std::string path = directory_.Path("metrics");
  kvm::VcpuMetrics vcpu;
  vcpu.exit_io_in.Add(5);
  room_.CountIn({.vcpus = {{.id = "0", .metrics = &vcpu}}});
  ASSERT_TRUE(controller_->PerformHere(PutMetrics{{.metrics_path = path}}));
  StartWith({});
  ASSERT_TRUE(controller_->PerformHere(ResetInPlace{}));
  ASSERT_TRUE(controller_->PerformHere(FlushMetrics{}));
  controller_.reset();
  // One at each machine's start, one at the end of the first, one asked for, and the last.
  const std::string text = TemporaryDirectory::Read(path);
  EXPECT_EQ(std::ranges::count(text, '\n'), 5);
  std::vector<uint64_t> exits;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string_view line = std::string_view(text).substr(at, text.find('\n', at) + 1 - at);
    exits.push_back(NumbersOf(line)["vcpu.exit_io_in"]);
  }
  EXPECT_THAT(exits, ElementsAre(5u, 0u, 5u, 0u, 0u));
}

TEST_F(GuestEndTest, AResetThatFailsIsTold) {
  StartWith({.on_reboot = EndPolicy::kReset});
  EXPECT_TRUE(End(EndCause::kReboot));
  room_.FailWith("no memory");
  RunLoop();
  EXPECT_EQ(failure_, "no memory");
  EXPECT_THAT(Events(), ElementsAre("started", "guest_rebooted", "reset_failed"));
}

TEST_F(GuestEndTest, AMachineThatWasResetMeanwhileIsNotResetAgain) {
  StartWith({.on_reboot = EndPolicy::kReset});
  EXPECT_TRUE(End(EndCause::kReboot));
  ASSERT_TRUE(controller_->PerformHere(ResetInPlace{}));
  RunLoop();
  EXPECT_THAT(room_.events(), ElementsAre("start", "end", "start"));
}

TEST_F(GuestEndTest, ResetInPlaceGoesOnFromAPause) {
  Start();
  ASSERT_TRUE(controller_->PerformHere(PauseVm{}));
  ASSERT_TRUE(controller_->PerformHere(ResetInPlace{}));
  EXPECT_EQ(state(), MachineState::kRunning);
  EXPECT_THAT(Events(), ElementsAre("started", "paused", "reset"));
}

TEST_F(GuestEndTest, AfterAResetThatFailedTheMachineCanBeStartedAgain) {
  Start();
  room_.FailWith("no memory");
  EXPECT_EQ(Fault(ResetInPlace{}), "no memory");
  EXPECT_EQ(state(), MachineState::kNotStarted);
  room_.FailWith("");
  EXPECT_TRUE(controller_->PerformHere(InstanceStart{}));
  EXPECT_EQ(state(), MachineState::kRunning);
}

TEST_F(GuestEndTest, ThePowerButtonIsTheMachines) {
  Start();
  ASSERT_TRUE(controller_->PerformHere(PressPowerButton{}));
  EXPECT_THAT(room_.events(), ElementsAre("start", "power button"));
}

}  // namespace
}  // namespace ember::vmm
