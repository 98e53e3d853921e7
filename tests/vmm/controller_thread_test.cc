// The controller between its threads: clients that ask and act while the loop runs. What these
// cases are worth shows under ThreadSanitizer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/thread.h"
#include "base/thread_annotations.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/fake_machine.h"
#include "vmm/controller.h"

namespace ember::vmm {
namespace {

using testing::ElementsAre;

// The outcomes of actions, as a client waits for them.
class Outcomes {
 public:
  Controller::Done Next() {
    return [this](const Result<Reply>& outcome) {
      const MutexLock lock(mutex_);
      all_.push_back(outcome ? "" : outcome.error().message());
      changed_.NotifyAll();
    };
  }
  // In the order of their coming, once there are so many.
  std::vector<std::string> Await(size_t count) {
    const MutexLock lock(mutex_);
    while (all_.size() < count) changed_.Wait(mutex_);
    return all_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> all_ GUARDED_BY(mutex_);
};

class ControllerThreadTest : public testing::Test {
 protected:
  ~ControllerThreadTest() override {
    room_.Release();
    loop_->Stop();
    loop_thread_.Join();
  }

  PutBootSource Kernel() { return {{.kernel_image_path = directory_.Write("kernel", "kernel")}}; }

  TemporaryDirectory directory_;
  FakeMachineRoom room_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  Controller controller_{*loop_, room_.factory()};
  Outcomes outcomes_;
  Thread loop_thread_ = *Thread::Start("loop", [this] { loop_->Run(); });
};

TEST_F(ControllerThreadTest, WhoLearnsOfAnOutcomeSeesWhatItChanged) {
  for (uint32_t count = 1; count <= kMaxVcpus; ++count) {
    controller_.Perform(PatchMachineConfig{{.vcpu_count = count}}, outcomes_.Next());
    EXPECT_EQ(outcomes_.Await(count).back(), "");
    EXPECT_EQ(controller_.snapshot()->config.machine.vcpu_count, count);
  }
}

TEST_F(ControllerThreadTest, QuestionsAreAnsweredWhileAnActionIsUnderWay) {
  controller_.Perform(Kernel(), outcomes_.Next());
  room_.Hold();
  controller_.Perform(InstanceStart{}, outcomes_.Next());
  room_.AwaitHeldRequest();
  EXPECT_EQ(controller_.snapshot()->state, MachineState::kNotStarted);
  EXPECT_TRUE(controller_.snapshot()->config.boot_source);
  room_.Release();
  EXPECT_THAT(outcomes_.Await(2), ElementsAre("", ""));
  EXPECT_EQ(controller_.snapshot()->state, MachineState::kRunning);
}

TEST_F(ControllerThreadTest, ActionsBehindASlowOneWaitTheirTurn) {
  controller_.Perform(Kernel(), outcomes_.Next());
  room_.Hold();
  controller_.Perform(InstanceStart{}, outcomes_.Next());
  room_.AwaitHeldRequest();
  controller_.Perform(PauseVm{}, outcomes_.Next());
  controller_.Perform(PatchMachineConfig{{.vcpu_count = 2}}, outcomes_.Next());
  room_.Release();
  EXPECT_THAT(outcomes_.Await(4),
              ElementsAre("", "", "", testing::HasSubstr("after starting the microVM")));
  EXPECT_EQ(controller_.snapshot()->state, MachineState::kPaused);
}

// Each update sets two fields to the same number: a snapshot in the midst of one would show two.
TEST_F(ControllerThreadTest, SnapshotsShowNoHalfOfAnAction) {
  constexpr uint32_t kActions = 200;
  constexpr size_t kClients = 2;
  std::atomic<bool> done = false;
  std::atomic<uint64_t> torn = 0;
  std::vector<Thread> threads;
  for (size_t i = 0; i < kClients; ++i) {
    threads.push_back(*Thread::Start("reader", [&] {
      while (!done.load(std::memory_order_relaxed)) {
        const auto now = controller_.snapshot();
        const MachineConfig& machine = now->config.machine;
        if (machine != MachineConfig{} && machine.vcpu_count != machine.mem_size_mib) {
          torn.fetch_add(1, std::memory_order_relaxed);
        }
      }
    }));
  }
  for (size_t i = 0; i < kClients; ++i) {
    threads.push_back(*Thread::Start("writer", [&] {
      for (uint32_t action = 0; action < kActions; ++action) {
        const uint32_t count = action % kMaxVcpus + 1;
        controller_.Perform(PatchMachineConfig{{.vcpu_count = count, .mem_size_mib = count}},
                            outcomes_.Next());
      }
    }));
  }
  const std::vector<std::string> outcomes = outcomes_.Await(kActions * kClients);
  done.store(true, std::memory_order_relaxed);
  for (Thread& thread : threads) thread.Join();
  EXPECT_THAT(outcomes, testing::Each(""));
  EXPECT_EQ(torn.load(std::memory_order_relaxed), 0U);
}

TEST_F(ControllerThreadTest, OfTwoClientsThatStartTheMachineOneDoes) {
  controller_.Perform(Kernel(), outcomes_.Next());
  Thread other =
      *Thread::Start("client", [&] { controller_.Perform(InstanceStart{}, outcomes_.Next()); });
  controller_.Perform(InstanceStart{}, outcomes_.Next());
  EXPECT_THAT(outcomes_.Await(3),
              ElementsAre("", "", testing::HasSubstr("after starting the microVM")));
  other.Join();
  EXPECT_THAT(room_.events(), ElementsAre("start"));
}

}  // namespace
}  // namespace ember::vmm
