#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <chrono>
#include <cstring>
#include <functional>

#include "kvm/ioctl.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

constexpr uint32_t kLegacyLine = 5;
// Beyond the reach of the 8259s, which would deliver it a second time.
constexpr uint32_t kLine = 17;
constexpr uint8_t kVector = 0x41;
constexpr size_t kSpuriousVectorOffset = 0xf0;
constexpr size_t kRequestsOffset = 0x200;  // 256 bits, 32 in each 16 bytes
constexpr uint32_t kApicEnabled = 0x1ff;

// KVM delivers an irqfd's signal from a kernel worker, a moment later.
bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::sched_yield();
  }
  return true;
}

kvm_irqchip ReadChip(const kvm::Vm& vm, uint32_t id) {
  kvm_irqchip chip{};
  chip.chip_id = id;
  Must(kvm::Ioctl(vm.fd(), KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &chip));
  return chip;
}

// Sends the line to kVector of the first vCPU by way of the I/O APIC.
void RouteLine(const kvm::Vm& vm) {
  kvm_irqchip chip = ReadChip(vm, KVM_IRQCHIP_IOAPIC);
  chip.chip.ioapic.redirtbl[kLine].bits = kVector;  // fixed, edge, not masked, to APIC id 0
  Must(kvm::Ioctl(vm.fd(), KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", &chip));
}

kvm_lapic_state ReadLocalApic(const kvm::Vcpu& vcpu) {
  kvm_lapic_state state{};
  Must(kvm::Ioctl(vcpu.fd(), KVM_GET_LAPIC, "KVM_GET_LAPIC", &state));
  return state;
}

void EnableLocalApic(const kvm::Vcpu& vcpu) {
  kvm_lapic_state state = ReadLocalApic(vcpu);
  std::memcpy(state.regs + kSpuriousVectorOffset, &kApicEnabled, sizeof(kApicEnabled));
  Must(kvm::Ioctl(vcpu.fd(), KVM_SET_LAPIC, "KVM_SET_LAPIC", &state));
}

bool IsRequested(const kvm::Vcpu& vcpu, uint8_t vector) {
  uint32_t word = 0;
  const kvm_lapic_state state = ReadLocalApic(vcpu);
  std::memcpy(&word, state.regs + kRequestsOffset + size_t{16} * (vector / 32), sizeof(word));
  return (word >> (vector % 32) & 1) != 0;
}

TEST(InterruptTest, ATriggeredLineReachesThe8259) {
  PayloadGuest guest;
  const std::unique_ptr<InterruptLine> line =
      Must(guest.vm().CreateInterruptLine(Gsi{kLegacyLine}));
  const auto requested = [&guest] {
    return (ReadChip(guest.vm(), KVM_IRQCHIP_PIC_MASTER).chip.pic.irr & (1U << kLegacyLine)) != 0;
  };
  EXPECT_FALSE(requested());
  line->Trigger();
  EXPECT_TRUE(Eventually(requested));
}

TEST(InterruptTest, ATriggeredLineReachesTheLocalApicAsItsVector) {
  PayloadGuest guest;
  const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateVcpu(0, PayloadCode());
  EnableLocalApic(*vcpu);
  RouteLine(guest.vm());
  const std::unique_ptr<InterruptLine> line = Must(guest.vm().CreateInterruptLine(Gsi{kLine}));
  EXPECT_FALSE(IsRequested(*vcpu, kVector));
  line->Trigger();
  EXPECT_TRUE(Eventually([&] { return IsRequested(*vcpu, kVector); }));
  EXPECT_FALSE(IsRequested(*vcpu, kVector + 1));
}

TEST(InterruptTest, AnInterruptWakesAHaltedGuestAndEntersItsHandler) {
  PayloadGuest guest;
  const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateWaiting(kVector);
  EnableLocalApic(*vcpu);
  RouteLine(guest.vm());
  const std::unique_ptr<InterruptLine> line = Must(guest.vm().CreateInterruptLine(Gsi{kLine}));
  line->Trigger();
  guest.RunUntilDone(*vcpu);
  EXPECT_EQ(guest.ReadData(), kVector);
}

TEST(InterruptTest, ALineThatTheMachineLacksIsAnErrorThatNamesBothNumbers) {
  PayloadGuest guest;
  EXPECT_TRUE(guest.vm().CreateInterruptLine(Gsi{23}));
  const Result<std::unique_ptr<InterruptLine>> line = guest.vm().CreateInterruptLine(Gsi{24});
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().message(), "interrupt line 24 is not one of the machine's 24");
}

}  // namespace
}  // namespace ember
