#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <algorithm>
#include <cstring>

#include "kvm/ioctl.h"
#include "kvm/system.h"
#include "kvm/x86_64/entry.h"
#include "kvm/x86_64/msrs.h"
#include "kvm/x86_64/registers.h"
#include "kvm/x86_64/vcpu_setup.h"
#include "memory/layout.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

namespace x86_64 = kvm::x86_64;

constexpr uint64_t kMib = uint64_t{1} << 20;

// A machine without page tables or code: for what is set, not what runs.
class MachineTest : public ::testing::Test {
 protected:
  kvm::System system_ = Must(kvm::System::Open());
  std::unique_ptr<GuestMemory> memory_ = Must(GuestMemory::Create(RamRanges(16 * kMib), {}));
  std::unique_ptr<kvm::Vm> vm_ = Must(kvm::Vm::Create(system_, *memory_));
  const std::vector<x86_64::CpuidEntry> supported_ = Must(x86_64::ReadSupportedCpuid(system_));

  std::unique_ptr<kvm::Vcpu> CreateBootVcpu() {
    std::unique_ptr<kvm::Vcpu> vcpu = Must(vm_->CreateVcpu(kvm::VcpuIndex{0}));
    Must(x86_64::SetUpVcpu(*vcpu, supported_, {}));
    return vcpu;
  }
};

TEST_F(MachineTest, TheHostSaysHowManyVcpusItCanRun) {
  EXPECT_GE(system_.recommended_vcpus(), 1U);
  EXPECT_GE(system_.max_vcpus(), 32U);
}

TEST_F(MachineTest, EachOf32VcpusCanBeSetUp) {
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus;
  for (uint32_t index = 0; index < 32; ++index) {
    vcpus.push_back(Must(vm_->CreateVcpu(kvm::VcpuIndex{index})));
    const Status status =
        x86_64::SetUpVcpu(*vcpus.back(), supported_, {.vcpu_count = 32, .threads_per_core = 2});
    EXPECT_TRUE(status) << status.error().message();
  }
}

TEST_F(MachineTest, AVcpuOfTheSameIndexIsAnErrorThatNamesIt) {
  const std::unique_ptr<kvm::Vcpu> vcpu = Must(vm_->CreateVcpu(kvm::VcpuIndex{7}));
  const auto again = vm_->CreateVcpu(kvm::VcpuIndex{7});
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message().find("vCPU 7"), std::string::npos);
}

TEST_F(MachineTest, TheHostsCpuidAndMsrListsAreWhole) {
  EXPECT_EQ(std::ranges::count(supported_, 0U, &x86_64::CpuidEntry::leaf), 1);
  EXPECT_EQ(std::ranges::count(supported_, 0x8000'0001U, &x86_64::CpuidEntry::leaf), 1);
  const std::vector<uint32_t> msrs = Must(x86_64::ReadMsrIndices(system_));
  constexpr uint32_t kTsc = 0x10;
  EXPECT_NE(std::ranges::find(msrs, kTsc), msrs.end());
}

TEST_F(MachineTest, TheBootVcpusPinsAreWiredAsFirmwareDoes) {
  const std::unique_ptr<kvm::Vcpu> vcpu = CreateBootVcpu();
  kvm_lapic_state state{};
  Must(kvm::Ioctl(vcpu->fd(), KVM_GET_LAPIC, "KVM_GET_LAPIC", &state));
  uint32_t lint0 = 0;
  uint32_t lint1 = 0;
  std::memcpy(&lint0, state.regs + 0x350, sizeof(lint0));
  std::memcpy(&lint1, state.regs + 0x360, sizeof(lint1));
  EXPECT_EQ(lint0, 0x700U);
  EXPECT_EQ(lint1, 0x400U);
}

TEST_F(MachineTest, LinuxIsEnteredInLongModeWithItsParameters) {
  const std::unique_ptr<kvm::Vcpu> vcpu = CreateBootVcpu();
  Must(x86_64::SetEntryState(
      *vcpu, x86_64::LinuxEntry{.rip = GuestAddress{0x10'0200},
                                .boot_params = GuestAddress{0x7000},
                                .page_table_root = GuestAddress{0x9000},
                                .gdt = {.base = GuestAddress{0x500}, .limit = 0x1f}}));
  const kvm_regs registers = Must(x86_64::ReadRegisters(*vcpu));
  EXPECT_EQ(registers.rip, 0x10'0200U);
  EXPECT_EQ(registers.rsi, 0x7000U);
  EXPECT_EQ(registers.rflags, 2U);
  const kvm_sregs system = Must(x86_64::ReadSystemRegisters(*vcpu));
  EXPECT_EQ(system.cr3, 0x9000U);
  EXPECT_EQ(system.gdt.base, 0x500U);
  EXPECT_EQ(system.gdt.limit, 0x1fU);
  EXPECT_EQ(system.cs.l, 1U);
  EXPECT_EQ(system.cs.selector, x86_64::kBootCodeSelector);
  EXPECT_EQ(system.ds.selector, x86_64::kBootDataSelector);
  EXPECT_EQ(system.efer & 0x500, 0x500U);
  EXPECT_EQ(system.cr0 & 0x8000'0001, 0x8000'0001U);
}

TEST_F(MachineTest, PvhIsEnteredIn32BitModeWithoutPaging) {
  const std::unique_ptr<kvm::Vcpu> vcpu = CreateBootVcpu();
  Must(x86_64::SetEntryState(*vcpu, x86_64::PvhEntry{.rip = GuestAddress{0x100'0000},
                                                     .start_info = GuestAddress{0x6000}}));
  const kvm_regs registers = Must(x86_64::ReadRegisters(*vcpu));
  EXPECT_EQ(registers.rip, 0x100'0000U);
  EXPECT_EQ(registers.rbx, 0x6000U);
  const kvm_sregs system = Must(x86_64::ReadSystemRegisters(*vcpu));
  EXPECT_EQ(system.cs.l, 0U);
  EXPECT_EQ(system.cs.db, 1U);
  EXPECT_EQ(system.cs.limit, 0xffff'ffffU);
  EXPECT_EQ(system.efer & 0x500, 0U);
  EXPECT_EQ(system.cr0 & 0x8000'0001, 1U);
}

TEST(MemoryTest, TheGuestReadsAndWritesAboveTheGap) {
  PayloadGuest guest(uint64_t{4} << 30);
  constexpr GuestAddress kHigh{0x1'2345'6000};
  Must(guest.memory().Write<uint64_t>(kHigh, 0x1122'3344'5566'7788));
  PayloadCode code;
  code.MovRbx(ToInteger(kHigh)).LoadFromRbx(Width::k64);
  code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64);
  code.MovRbx(ToInteger(kHigh) + 8).MovRax(0xabcd).StoreAtRbx(Width::k64).Finish();
  const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateVcpu(0, code);
  guest.RunUntilDone(*vcpu);
  EXPECT_EQ(guest.ReadData(), 0x1122'3344'5566'7788U);
  EXPECT_EQ(guest.ReadData(kHigh + 8), 0xabcdU);
}

}  // namespace
}  // namespace ember
