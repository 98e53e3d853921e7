#ifndef EMBER_TESTS_VMM_FAKE_MACHINE_H_
#define EMBER_TESTS_VMM_FAKE_MACHINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "vmm/machine.h"

namespace ember::vmm {

// What the machines of a FakeMachineRoom were asked, and what they are to answer. Any thread.
class FakeMachineRoom {
 public:
  // A factory for a Controller; the room must outlive its machines.
  MachineFactory factory() {
    return {.build = [this](const VmConfig& config) { return Build(config); },
            .restore = [this](const SnapshotLoad& load,
                              const VmConfig& own) { return Restore(load, own); }};
  }

  // "start", "restore PATH", "save PATH", "save working set PATH", "pause", "resume",
  // "ctrl-alt-del", "power button", "device action N", "check fork of N", "forget N", "freeze",
  // "end" in order.
  std::vector<std::string> events() const {
    const MutexLock lock(mutex_);
    return events_;
  }
  VmConfig started_config() const {
    const MutexLock lock(mutex_);
    return started_config_;
  }
  // From now on what is asked, or what begins with `only`, fails with this; an empty message means
  // success again.
  void FailWith(std::string message, std::string only = "") {
    const MutexLock lock(mutex_);
    failure_ = std::move(message);
    fails_only_ = std::move(only);
  }
  // What actions on devices answer from now on.
  void AnswerWith(Reply reply) {
    const MutexLock lock(mutex_);
    reply_ = std::move(reply);
  }
  // Where machines started from now on count.
  void CountIn(MachineMetrics metrics) { metrics_ = std::move(metrics); }
  // Who carries out the actions on devices that succeed, on the loop thread; before the first.
  void SetDevices(std::function<Result<Reply>(const DeviceAction&)> devices) {
    const MutexLock lock(mutex_);
    devices_ = std::move(devices);
  }
  // From now on what is asked waits until Release().
  void Hold() {
    const MutexLock lock(mutex_);
    held_ = true;
  }
  void Release() {
    const MutexLock lock(mutex_);
    held_ = false;
    changed_.NotifyAll();
  }
  // Until a request waits for Release().
  void AwaitHeldRequest() {
    const MutexLock lock(mutex_);
    while (waiting_ == 0) changed_.Wait(mutex_);
  }

 private:
  class FakeMachine final : public Machine {
   public:
    FakeMachine(FakeMachineRoom& room, VmConfig config) : room_(room), config_(std::move(config)) {}
    ~FakeMachine() override { room_.Note("end"); }
    Status Pause() override { return room_.Ask("pause"); }
    Status Resume() override { return room_.Ask("resume"); }
    Status Save(const SnapshotCreation& creation) override {
      return room_.Ask(Concat("save ", creation.snapshot_path));
    }
    Status SaveWorkingSet(const std::string& path) override {
      return room_.Ask(Concat("save working set ", path));
    }
    Status SendCtrlAltDel() override { return room_.Ask("ctrl-alt-del"); }
    void PressPowerButton() override { room_.Note("power button"); }
    Result<Reply> Perform(const DeviceAction& action) override {
      TRY(room_.Ask(Concat("device action ", action.index())));
      const auto devices = room_.devices();
      return devices ? devices(action) : room_.reply();
    }
    Status CheckFork(const ForkRequest& request) const override {
      return room_.Ask(Concat("check fork of ", request.clones.size()));
    }
    std::optional<uint64_t> ForgetPageTables(uint64_t offset_bytes) override {
      if (offset_bytes >= 2) return std::nullopt;
      room_.Note(Concat("forget ", offset_bytes));
      return offset_bytes + 1;
    }
    Result<HandedMachine> Freeze() override {
      TRY(room_.Ask("freeze"));
      constexpr std::array<std::byte, 1> kState{std::byte{1}};
      return HandedMachine{.state = TRY(SealedFile(kState)),
                           .memory = std::make_shared<const Fd>(TRY(SealedFile(kState)))};
    }
    MachineMetrics metrics() const override { return room_.metrics_; }
    const VmConfig& config() const override { return config_; }

   private:
    FakeMachineRoom& room_;
    const VmConfig config_;
  };

  Result<std::unique_ptr<Machine>> Build(const VmConfig& config) {
    TRY(Ask("start"));
    const MutexLock lock(mutex_);
    started_config_ = config;
    return std::make_unique<FakeMachine>(*this, config);
  }

  Result<std::unique_ptr<Machine>> Restore(const SnapshotLoad& load, const VmConfig& own) {
    TRY(Ask(Concat("restore ", load.snapshot_path)));
    VmConfig config = own;
    config.machine.vcpu_count = 3;
    return std::make_unique<FakeMachine>(*this, std::move(config));
  }

  Reply reply() const {
    const MutexLock lock(mutex_);
    return reply_;
  }

  std::function<Result<Reply>(const DeviceAction&)> devices() const {
    const MutexLock lock(mutex_);
    return devices_;
  }

  void Note(std::string event) {
    const MutexLock lock(mutex_);
    events_.push_back(std::move(event));
  }

  Status Ask(std::string event) {
    const MutexLock lock(mutex_);
    ++waiting_;
    changed_.NotifyAll();
    while (held_) changed_.Wait(mutex_);
    --waiting_;
    events_.push_back(std::move(event));
    if (failure_.empty() || !events_.back().starts_with(fails_only_)) return {};
    return Error(failure_);
  }

  MachineMetrics metrics_;  // constant while there is a machine

  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> events_ GUARDED_BY(mutex_);
  VmConfig started_config_ GUARDED_BY(mutex_);
  std::string failure_ GUARDED_BY(mutex_);
  std::string fails_only_ GUARDED_BY(mutex_);
  Reply reply_ GUARDED_BY(mutex_);
  std::function<Result<Reply>(const DeviceAction&)> devices_ GUARDED_BY(mutex_);
  bool held_ GUARDED_BY(mutex_) = false;
  int waiting_ GUARDED_BY(mutex_) = 0;
};

}  // namespace ember::vmm

#endif  // EMBER_TESTS_VMM_FAKE_MACHINE_H_
