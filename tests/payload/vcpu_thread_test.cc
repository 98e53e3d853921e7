#include "vmm/vcpu_thread.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_annotations.h"
#include "devices/bus_device.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember::vmm {
namespace {

// Spins until the condition holds; a minute is for slow machines.
bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::sched_yield();
  }
  return true;
}

// Increments kData forever.
PayloadCode CountForever() {
  PayloadCode code;
  code.MovRbx(ToInteger(PayloadGuest::kData));
  const size_t again = code.Here();
  code.IncrementAtRbx().JumpTo(again);
  return code;
}

// The same with a port access in each round.
PayloadCode CountAndExitForever() {
  PayloadCode code;
  code.MovRbx(ToInteger(PayloadGuest::kData)).MovRdx(PayloadGuest::kDonePort);
  const size_t again = code.Here();
  code.IncrementAtRbx().Out(Width::k8).JumpTo(again);
  return code;
}

// Keeps the report of a vCPU that ended.
class ExitSink {
 public:
  VcpuThread::ExitCallback callback() {
    return [this](kvm::VcpuIndex, kvm::ExitReport report) {
      MutexLock lock(mutex_);
      reports_.push_back(std::move(report));
      changed_.NotifyAll();
    };
  }
  kvm::ExitReport Wait() {
    MutexLock lock(mutex_);
    while (reports_.empty()) changed_.Wait(mutex_);
    return reports_.back();
  }
  size_t count() {
    MutexLock lock(mutex_);
    return reports_.size();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<kvm::ExitReport> reports_ GUARDED_BY(mutex_);
};

// How many signals the process's user may have pending, until its end.
class SignalQueueLimit {
 public:
  explicit SignalQueueLimit(rlim_t count) {
    EXPECT_EQ(::getrlimit(RLIMIT_SIGPENDING, &before_), 0);
    const rlimit limit{.rlim_cur = count, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_SIGPENDING, &limit), 0);
  }
  ~SignalQueueLimit() { ::setrlimit(RLIMIT_SIGPENDING, &before_); }
  SignalQueueLimit(const SignalQueueLimit&) = delete;
  SignalQueueLimit& operator=(const SignalQueueLimit&) = delete;

 private:
  rlimit before_{};
};

// Takes its time over a write, so that a command given meanwhile must wait for it.
class SlowDevice final : public BusDevice {
 public:
  std::string_view name() const override { return "slow"; }
  void Read(uint64_t, std::span<std::byte>) override {}
  void Write(uint64_t, std::span<const std::byte>) override {
    entered_.store(true, std::memory_order_release);
    while (!hurry_.load(std::memory_order_acquire)) ::sched_yield();
    for (int turn = 0; turn < 1000; ++turn) ::sched_yield();
    finished_.store(true, std::memory_order_release);
  }
  bool entered() const { return entered_.load(std::memory_order_acquire); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  void Hurry() { hurry_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> entered_{false};
  std::atomic<bool> hurry_{false};
  std::atomic<bool> finished_{false};
};

class VcpuThreadTest : public ::testing::Test {
 protected:
  std::unique_ptr<VcpuThread> Start(std::unique_ptr<kvm::Vcpu> vcpu) {
    return Must(VcpuThread::Start({.vcpu = std::move(vcpu),
                                   .mmio = guest_.mmio(),
                                   .pio = guest_.pio(),
                                   .on_exit = sink_.callback()}));
  }
  std::unique_ptr<VcpuThread> Start(const PayloadCode& code,
                                    PayloadGuest::Mode mode = PayloadGuest::Mode::kUser) {
    return Start(guest_.CreateVcpu(0, code, mode));
  }
  uint64_t counter() const { return guest_.ReadData(); }
  bool CounterMoves() {
    const uint64_t before = counter();
    return Eventually([&] { return counter() != before; });
  }
  // Looks for a while, so that a guest that runs beside would be seen.
  bool CounterStandsStill() {
    const uint64_t before = counter();
    for (int look = 0; look < 2000; ++look) {
      if (counter() != before) return false;
    }
    return true;
  }

  PayloadGuest guest_;
  ExitSink sink_;
};

TEST_F(VcpuThreadTest, StartsPaused) {
  const std::unique_ptr<VcpuThread> vcpu = Start(CountForever());
  vcpu->Pause();
  EXPECT_TRUE(CounterStandsStill());
  EXPECT_EQ(counter(), 0U);
}

TEST_F(VcpuThreadTest, ASpinningGuestStandsStillInEachOf1000Pauses) {
  const std::unique_ptr<VcpuThread> vcpu = Start(CountForever());
  for (int round = 0; round < 1000; ++round) {
    vcpu->Resume();
    ASSERT_TRUE(CounterMoves()) << round;
    vcpu->Pause();
    ASSERT_TRUE(CounterStandsStill()) << round;
  }
}

TEST_F(VcpuThreadTest, AnExitingGuestStandsStillInEachOf1000Pauses) {
  const std::unique_ptr<VcpuThread> vcpu = Start(CountAndExitForever());
  for (int round = 0; round < 1000; ++round) {
    vcpu->Resume();
    ASSERT_TRUE(CounterMoves()) << round;
    vcpu->Pause();
    ASSERT_TRUE(CounterStandsStill()) << round;
    // No access is half done: each increment but perhaps the last was followed by its write.
    const uint64_t in_flight = counter() - guest_.done().count();
    ASSERT_LE(in_flight, 1U) << round;
  }
  EXPECT_EQ(vcpu->metrics().exit_io_out.value(), guest_.done().count());
}

TEST_F(VcpuThreadTest, PauseWaitsForTheAccessUnderWay) {
  constexpr uint16_t kSlowPort = 0x600;
  const auto device = std::make_shared<SlowDevice>();
  Must(guest_.pio().Insert({.base = kSlowPort, .size_bytes = 1}, device));
  PayloadCode code;
  code.MovRdx(kSlowPort).Out(Width::k8);
  code.MovRbx(ToInteger(PayloadGuest::kData)).IncrementAtRbx().Finish();
  const std::unique_ptr<VcpuThread> vcpu = Start(code);
  vcpu->Resume();
  ASSERT_TRUE(Eventually([&] { return device->entered(); }));
  vcpu->RequestPause();
  device->Hurry();
  vcpu->WaitUntilPaused();
  EXPECT_TRUE(device->finished());
  EXPECT_EQ(counter(), 0U);
  vcpu->Resume();
  EXPECT_TRUE(Eventually([&] { return counter() == 1; }));
}

TEST_F(VcpuThreadTest, CommandsInQuickSuccessionLeaveItInTheLastOnesState) {
  const std::unique_ptr<VcpuThread> vcpu = Start(CountForever());
  for (int round = 0; round < 1000; ++round) {
    vcpu->Resume();
    vcpu->RequestPause();
    vcpu->Resume();
    vcpu->Pause();
  }
  EXPECT_TRUE(CounterStandsStill());
  vcpu->Resume();
  EXPECT_TRUE(CounterMoves());
}

TEST_F(VcpuThreadTest, ASpinningGuestCanBeStopped) {
  const std::unique_ptr<VcpuThread> vcpu = Start(CountForever());
  vcpu->Resume();
  ASSERT_TRUE(CounterMoves());
  vcpu->Stop();
  EXPECT_TRUE(CounterStandsStill());
  vcpu->Resume();
  EXPECT_TRUE(CounterStandsStill());
  EXPECT_EQ(sink_.count(), 0U);
}

TEST_F(VcpuThreadTest, ASpinningGuestCanBeDestroyed) {
  std::unique_ptr<VcpuThread> vcpu = Start(CountForever());
  vcpu->Resume();
  ASSERT_TRUE(CounterMoves());
  vcpu.reset();
  EXPECT_TRUE(CounterStandsStill());
}

TEST_F(VcpuThreadTest, AGuestCanBePausedWhereNoSignalCanBeQueued) {
  const std::unique_ptr<VcpuThread> vcpu = Start(CountForever());
  vcpu->Resume();
  ASSERT_TRUE(CounterMoves());
  const SignalQueueLimit none(0);
  vcpu->Pause();
  EXPECT_TRUE(CounterStandsStill());
}

TEST_F(VcpuThreadTest, AHaltedGuestCanBePausedAndStopped) {
  PayloadCode code;
  code.MovRbx(ToInteger(PayloadGuest::kData)).IncrementAtRbx().Hlt();
  const std::unique_ptr<VcpuThread> vcpu = Start(code, PayloadGuest::Mode::kKernel);
  vcpu->Resume();
  ASSERT_TRUE(Eventually([&] { return counter() == 1; }));
  vcpu->Pause();
  vcpu->Resume();
  vcpu->Stop();
  EXPECT_EQ(counter(), 1U);
}

TEST_F(VcpuThreadTest, AVcpuThatWaitsToBeStartedCanBePausedAndStopped) {
  const std::unique_ptr<VcpuThread> boot = Start(CountForever());
  const std::unique_ptr<VcpuThread> second = Start(Must(guest_.vm().CreateVcpu(kvm::VcpuIndex{1})));
  for (VcpuThread* vcpu : {boot.get(), second.get()}) vcpu->Resume();
  ASSERT_TRUE(CounterMoves());
  for (int round = 0; round < 100; ++round) {
    second->Pause();
    second->Resume();
  }
  second->Stop();
  EXPECT_TRUE(CounterMoves());
}

TEST_F(VcpuThreadTest, AGuestThatEndedIsReportedOnceAndStillObeys) {
  PayloadCode code;
  code.Ud2();
  const std::unique_ptr<VcpuThread> vcpu = Start(code);
  vcpu->Resume();
  EXPECT_EQ(sink_.Wait().reason, kvm::StopReason::kTripleFault);
  vcpu->Pause();
  vcpu->Resume();
  vcpu->Pause();
  vcpu->Stop();
  EXPECT_EQ(sink_.count(), 1U);
  EXPECT_EQ(vcpu->metrics().failures.value(), 1U);
}

TEST_F(VcpuThreadTest, ACallbackMayPauseItsOwnVcpu) {
  PayloadCode code;
  code.Ud2();
  std::atomic<VcpuThread*> self = nullptr;
  std::atomic<bool> paused = false;
  const std::unique_ptr<VcpuThread> vcpu =
      Must(VcpuThread::Start({.vcpu = guest_.CreateVcpu(0, code),
                              .mmio = guest_.mmio(),
                              .pio = guest_.pio(),
                              .on_exit = [&](kvm::VcpuIndex, const kvm::ExitReport&) {
                                self.load(std::memory_order_acquire)->Pause();
                                paused.store(true, std::memory_order_release);
                              }}));
  self.store(vcpu.get(), std::memory_order_release);
  vcpu->Resume();
  EXPECT_TRUE(Eventually([&] { return paused.load(std::memory_order_acquire); }));
}

TEST_F(VcpuThreadTest, AnInstructionThatKvmCannotEmulateIsReportedWithItsPlace) {
  // Code in device space: KVM must emulate it and cannot fetch it.
  const std::unique_ptr<VcpuThread> vcpu =
      Start(guest_.CreateVcpuAt(0, GuestAddress{PayloadGuest::kMmioAddress}));
  vcpu->Resume();
  const kvm::ExitReport report = sink_.Wait();
  if (report.reason == kvm::StopReason::kInternalError) {
    EXPECT_NE(report.details.find("rip 0xd0000000"), std::string::npos) << report.details;
  } else {
    EXPECT_EQ(report.reason, kvm::StopReason::kTripleFault) << report.details;
  }
}

class ManyVcpusTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(ManyVcpusTest, RunSideBySideAndStopTogether) {
  PayloadGuest guest;
  ExitSink sink;
  std::vector<std::unique_ptr<VcpuThread>> vcpus;
  const auto counter = [](uint32_t index) { return PayloadGuest::kData + uint64_t{4096} * index; };
  for (uint32_t index = 0; index < GetParam(); ++index) {
    PayloadCode code;
    code.MovRbx(ToInteger(counter(index)));
    const size_t again = code.Here();
    code.IncrementAtRbx().JumpTo(again);
    const GuestAddress at = PayloadGuest::kCode + uint64_t{4096} * index;
    guest.LoadCode(at, code);
    vcpus.push_back(Must(VcpuThread::Start({.vcpu = guest.CreateVcpuAt(index, at),
                                            .mmio = guest.mmio(),
                                            .pio = guest.pio(),
                                            .on_exit = sink.callback()})));
  }
  for (const auto& vcpu : vcpus) vcpu->Resume();
  for (uint32_t index = 0; index < GetParam(); ++index) {
    EXPECT_TRUE(Eventually([&] { return guest.ReadData(counter(index)) != 0; })) << index;
  }
  for (const auto& vcpu : vcpus) vcpu->RequestPause();
  for (const auto& vcpu : vcpus) vcpu->WaitUntilPaused();
  EXPECT_EQ(sink.count(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Counts, ManyVcpusTest, ::testing::Values(1, 2, 3, 4, 8, 16, 32),
                         [](const auto& count) { return std::to_string(count.param) + "Vcpus"; });

}  // namespace
}  // namespace ember::vmm
