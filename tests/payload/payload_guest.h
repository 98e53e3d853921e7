#ifndef EMBER_TESTS_PAYLOAD_PAYLOAD_GUEST_H_
#define EMBER_TESTS_PAYLOAD_PAYLOAD_GUEST_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "devices/bus.h"
#include "devices/bus_device.h"
#include "kvm/exit_dispatch.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"
#include "kvm/vm.h"
#include "kvm/x86_64/cpuid.h"
#include "memory/guest_memory.h"
#include "tests/payload/payload_code.h"

namespace ember {

// Counts what a guest writes to it.
class CountingDevice final : public BusDevice {
 public:
  std::string_view name() const override { return "counter"; }
  void Read(uint64_t, std::span<std::byte>) override {}
  void Write(uint64_t, std::span<const std::byte>) override {
    count_.fetch_add(1, std::memory_order_release);
  }
  uint64_t count() const { return count_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> count_{0};
};

// A machine for a few hundred bytes of code: long mode, all of the first 8 GiB mapped one to one,
// no exception handlers, so that any fault is a triple fault. The code runs in user mode with
// access to all ports, which the software back end executes natively, or in kernel mode.
class PayloadGuest {
 public:
  enum class Mode { kUser, kKernel };
  static constexpr uint16_t kDonePort = 0x700;
  static constexpr uint64_t kMmioAddress = 0xd000'0000;
  static constexpr GuestAddress kCode{0x10'0000};
  static constexpr GuestAddress kData{0x20'0000};
  // The handler of each interrupt, for tests that set one up; in kernel mode.
  static constexpr GuestAddress kInterruptHandler{0x11'0000};
  static constexpr uint64_t kStackTop = 0x8'0000;

  explicit PayloadGuest(uint64_t memory_bytes = uint64_t{16} << 20,
                        const GuestMemory::Options& options = {});

  // A new vCPU, ready to run `code` from its beginning. The second and further ones are started
  // too, without the start-up message.
  std::unique_ptr<kvm::Vcpu> CreateVcpu(uint32_t index, const PayloadCode& code,
                                        Mode mode = Mode::kUser);
  // The same for code that is in the guest already.
  std::unique_ptr<kvm::Vcpu> CreateVcpuAt(uint32_t index, GuestAddress code,
                                          Mode mode = Mode::kUser);
  // For the vCPUs made from now on.
  void SetCpuid(std::vector<kvm::x86_64::CpuidEntry> cpuid) { cpuid_ = std::move(cpuid); }
  void SetMsrModifiers(std::vector<kvm::MsrModifier> modifiers) { msrs_ = std::move(modifiers); }
  const std::vector<kvm::x86_64::CpuidEntry>& cpuid() const { return cpuid_; }
  void LoadCode(GuestAddress at, const PayloadCode& code);
  // Makes every interrupt vector enter `handler` in kernel mode. Before the vCPU is made.
  void SetInterruptHandler(const PayloadCode& handler);
  // A first vCPU in kernel mode that halts until an interrupt comes, then stores `value` at kData
  // and is done. Its local APIC is as a new one's: off.
  std::unique_ptr<kvm::Vcpu> CreateWaiting(uint64_t value);

  // Runs the vCPU on this thread until it writes to kDonePort or ends; fails the test in the second
  // case.
  void RunUntilDone(kvm::Vcpu& vcpu);
  // Runs it until it ends.
  kvm::ExitReport RunUntilStop(kvm::Vcpu& vcpu);

  uint64_t ReadData(GuestAddress at = kData) const;

  kvm::Vm& vm() { return *vm_; }
  const kvm::System& system() const { return system_; }
  kvm::Backend backend() const { return system_.backend(); }
  const GuestMemory& memory() const { return *memory_; }
  Bus& mmio() { return mmio_; }
  Bus& pio() { return pio_; }
  const CountingDevice& done() const { return *done_; }
  const kvm::VcpuMetrics& metrics() const { return metrics_; }

 private:
  void WriteTables();
  void SetRegisters(const kvm::Vcpu& vcpu, GuestAddress code, Mode mode);

  kvm::System system_;
  std::vector<kvm::x86_64::CpuidEntry> cpuid_;
  std::vector<kvm::MsrModifier> msrs_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<kvm::Vm> vm_;
  Bus mmio_;
  Bus pio_;
  std::shared_ptr<CountingDevice> done_ = std::make_shared<CountingDevice>();
  kvm::VcpuMetrics metrics_;
};

// The value of a result that a test cannot do without.
template <typename T>
T Must(Result<T> result) {
  if (result) return *std::move(result);
  CheckFailed(__FILE__, __LINE__, result.error().message().c_str());
}
inline void Must(const Status& status) {
  if (!status) CheckFailed(__FILE__, __LINE__, status.error().message().c_str());
}

}  // namespace ember

#endif  // EMBER_TESTS_PAYLOAD_PAYLOAD_GUEST_H_
