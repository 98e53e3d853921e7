#include "kvm/saved_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <random>

#include "base/endian.h"
#include "kvm/ioctl.h"
#include "kvm/x86_64/state_msrs.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"
#include "vmm/vcpu_thread.h"

namespace ember {
namespace {

using ::testing::HasSubstr;

constexpr uint8_t kVector = 0x41;
constexpr uint32_t kLine = 17;
constexpr uint32_t kTsc = 0x10;
constexpr uint32_t kTscDeadline = 0x6e0;

struct SavedGuest {
  kvm::StateParts vcpu;
  kvm::StateParts controllers;
};

SavedGuest Save(PayloadGuest& guest, const kvm::Vcpu& vcpu) {
  return {.vcpu = Must(kvm::SaveVcpu(guest.system(), guest.vm(), vcpu)),
          .controllers = Must(kvm::SaveControllers(guest.vm()))};
}

void CopyMemory(const PayloadGuest& from, const PayloadGuest& to) {
  for (size_t i = 0; i < from.memory().regions().size(); ++i) {
    const GuestMemory::Region& source = from.memory().regions()[i];
    std::memcpy(to.memory().regions()[i].host, source.host, source.range.size_bytes);
  }
}

// The first vCPU of `guest`, made what was saved.
std::unique_ptr<kvm::Vcpu> Restore(PayloadGuest& guest, const SavedGuest& saved) {
  std::unique_ptr<kvm::Vcpu> vcpu = Must(guest.vm().CreateVcpu(kvm::VcpuIndex{0}));
  Must(kvm::RestoreVcpu(guest.system(), guest.vm(), *vcpu, saved.vcpu));
  Must(kvm::RestoreControllers(guest.vm(), saved.controllers, kvm::ClockMode::kAsSaved));
  return vcpu;
}

std::span<std::byte> Part(kvm::StateParts& parts, std::string_view name) {
  const auto found = std::ranges::find(parts, name, &kvm::StatePart::name);
  if (found == parts.end()) return {};
  return found->bytes;
}

uint64_t Msr(const kvm::Vcpu& vcpu, uint32_t index) {
  const auto values = Must(kvm::x86_64::ReadMsrs(vcpu, {&index, 1}));
  return values.empty() ? 0 : values.front().data;
}

void SetMsr(const kvm::Vcpu& vcpu, uint32_t index, uint64_t data) {
  const kvm::x86_64::MsrValue value{.index = index, .data = data};
  Must(kvm::x86_64::WriteStateMsrs(vcpu, {&value, 1}));
}

template <typename Change>
void ChangeLocalApic(const kvm::Vcpu& vcpu, Change change) {
  kvm_lapic_state state{};
  Must(kvm::Ioctl(vcpu.fd(), KVM_GET_LAPIC, "KVM_GET_LAPIC", &state));
  change(std::as_writable_bytes(std::span(state.regs)));
  Must(kvm::Ioctl(vcpu.fd(), KVM_SET_LAPIC, "KVM_SET_LAPIC", &state));
}

void SetApicRegister(const kvm::Vcpu& vcpu, size_t offset, uint32_t value) {
  ChangeLocalApic(
      vcpu, [&](std::span<std::byte> registers) { StoreLe(value, registers.subspan(offset)); });
}

constexpr size_t kSpuriousVectorOffset = 0xf0;
constexpr size_t kTimerOffset = 0x320;
constexpr uint32_t kApicEnabled = 0x1ff;
constexpr uint32_t kTimerDeadlineMode = 2U << 17;

// The guest stores kVector when an interrupt comes, and waits for it.
std::unique_ptr<kvm::Vcpu> CreateWaiting(PayloadGuest& guest) {
  auto vcpu = guest.CreateWaiting(kVector);
  SetApicRegister(*vcpu, kSpuriousVectorOffset, kApicEnabled);
  return vcpu;
}

// What the guest stores once it goes on in another machine.
uint64_t DataFromElsewhere(PayloadGuest& first, const kvm::Vcpu& vcpu) {
  const SavedGuest saved = Save(first, vcpu);
  PayloadGuest second;
  CopyMemory(first, second);
  const auto restored = Restore(second, saved);
  second.RunUntilDone(*restored);
  return second.ReadData();
}

// A long computation in general and SSE registers; leaves both results at kData.
constexpr uint64_t kSeed = 0x0123'4567'89ab'cdef;
constexpr uint64_t kFactor = 0x5851'f42d'4c95'7f2d;
PayloadCode Compute(uint64_t rounds) {
  PayloadCode code;
  code.MovRax(kSeed).MovRdx(kFactor).MovRcx(rounds);
  const size_t again = code.Here();
  code.Append({0x48, 0x0f, 0xaf, 0xc2})        // imul rax, rdx
      .Append({0x48, 0x01, 0xc8})              // add rax, rcx
      .Append({0x66, 0x48, 0x0f, 0x6e, 0xc0})  // movq xmm0, rax
      .Append({0x66, 0x0f, 0xd4, 0xc8})        // paddq xmm1, xmm0
      .Append({0x48, 0xff, 0xc9});             // dec rcx
  const auto back = static_cast<uint8_t>(again - code.Here() - 2);
  code.Append({0x75, back});  // jnz
  code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64);
  code.Append({0x66, 0x48, 0x0f, 0x7e, 0xc8});  // movq rax, xmm1
  code.MovRbx(ToInteger(PayloadGuest::kData) + 8).StoreAtRbx(Width::k64);
  return code.Finish();
}

std::array<uint64_t, 2> Computed(uint64_t rounds) {
  uint64_t value = kSeed;
  uint64_t sum = 0;
  for (uint64_t left = rounds; left > 0; --left) {
    value = value * kFactor + left;
    sum += value;
  }
  return {value, sum};
}

TEST(SavedStateTest, TheHostCanSaveAndRestore) {
  const Status capable = kvm::CheckStateCapabilities(Must(kvm::System::Open()));
  EXPECT_TRUE(capable) << capable.error().message();
}

TEST(SavedStateTest, WhatIsRestoredIsSavedTheSameAgain) {
  PayloadGuest first;
  const auto vcpu = first.CreateVcpu(0, Compute(1));
  SetMsr(*vcpu, 0xc000'0102, 0xffff'8880'1234'5000);  // KernelGSBase
  kvm_debugregs debug{};
  debug.db[0] = 0x4000;
  debug.dr6 = 0xffff'0ff0;
  debug.dr7 = 0x401;
  Must(kvm::Ioctl(vcpu->fd(), KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS", &debug));
  SetApicRegister(*vcpu, kSpuriousVectorOffset, kApicEnabled);
  const SavedGuest saved = Save(first, *vcpu);

  PayloadGuest second;
  const auto restored = Restore(second, saved);
  SavedGuest again = Save(second, *restored);
  for (const kvm::StatePart& part : saved.vcpu) {
    if (part.name == "msrs") continue;  // the counter counts
    EXPECT_TRUE(std::ranges::equal(Part(again.vcpu, part.name), part.bytes)) << part.name;
  }
  for (const kvm::StatePart& part : saved.controllers) {
    if (part.name == "clock" || part.name == "pit") continue;  // they run
    EXPECT_TRUE(std::ranges::equal(Part(again.controllers, part.name), part.bytes)) << part.name;
  }
  EXPECT_EQ(Msr(*restored, 0xc000'0102), 0xffff'8880'1234'5000);
}

TEST(SavedStateTest, EveryMsrButTheCounterIsRestored) {
  PayloadGuest first;
  const auto vcpu = first.CreateVcpu(0, Compute(1));
  SetMsr(*vcpu, 0x277, 0x0007'0106'0007'0106);  // PAT
  SetMsr(*vcpu, 0xc000'0082, 0xffff'ffff'8100'0000);
  const std::vector<uint32_t> indices = Must(kvm::x86_64::ReadStateMsrIndices(first.system()));
  const auto before = Must(kvm::x86_64::ReadMsrs(*vcpu, indices));
  EXPECT_GT(before.size(), 30U);
  PayloadGuest second;
  const auto restored = Restore(second, Save(first, *vcpu));
  const auto after = Must(kvm::x86_64::ReadMsrs(*restored, indices));
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i].index == kTsc) continue;
    EXPECT_EQ(after[i], before[i]) << "register " << before[i].index;
  }
}

TEST(SavedStateTest, TheTimeStampCounterGoesOnFromWhereItWas) {
  PayloadGuest first;
  if (first.backend() == kvm::Backend::kSoftware) {
    GTEST_SKIP() << "software KVM shows guests the host's own counter";
  }
  const auto vcpu = first.CreateVcpu(0, Compute(1));
  const uint64_t far = uint64_t{1} << 50;  // days
  SetMsr(*vcpu, kTsc, far);
  const SavedGuest saved = Save(first, *vcpu);
  PayloadGuest second;
  const auto restored = Restore(second, saved);
  const uint64_t now = Msr(*restored, kTsc);
  EXPECT_GE(now, far);
  EXPECT_LT(now, far + (uint64_t{1} << 42));
}

// At whatever instant the machine is taken over by another, and again by the next, its computation
// comes out the same.
TEST(SavedStateTest, AComputationOutlivesManyMachines) {
  constexpr uint64_t kRounds = 60'000'000;
  constexpr int kMachines = 40;
  const PayloadCode code = Compute(kRounds);
  auto guest = std::make_unique<PayloadGuest>();
  std::unique_ptr<kvm::Vcpu> vcpu = guest->CreateVcpu(0, code);
  std::minstd_rand random(1);
  int moves = 0;
  for (; moves < kMachines && guest->done().count() == 0; ++moves) {
    SavedGuest saved;
    auto next = std::make_unique<PayloadGuest>();
    {
      const auto thread = Must(vmm::VcpuThread::Start({.vcpu = std::move(vcpu),
                                                       .mmio = guest->mmio(),
                                                       .pio = guest->pio(),
                                                       .on_exit = [](auto, const auto&) {}}));
      thread->Resume();
      const auto until =
          std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 4000);
      while (std::chrono::steady_clock::now() < until) ::sched_yield();
      thread->Pause();
      saved = Save(*guest, thread->vcpu());
    }
    CopyMemory(*guest, *next);
    const bool done = guest->done().count() > 0;
    guest = std::move(next);
    vcpu = Restore(*guest, saved);
    if (done) break;
  }
  EXPECT_GT(moves, 3);
  guest->RunUntilDone(*vcpu);
  const std::array<uint64_t, 2> expected = Computed(kRounds);
  EXPECT_EQ(guest->ReadData(), expected[0]);
  EXPECT_EQ(guest->ReadData(PayloadGuest::kData + 8), expected[1]);
}

TEST(SavedStateTest, AnInterruptThatWaitsInTheLocalApicIsTakenAfterwards) {
  PayloadGuest first;
  const auto vcpu = CreateWaiting(first);
  constexpr size_t kRequestsOffset = 0x200;
  ChangeLocalApic(*vcpu, [](std::span<std::byte> registers) {
    StoreLe(uint32_t{1} << (kVector % 32),
            registers.subspan(kRequestsOffset + size_t{16} * (kVector / 32)));
  });
  EXPECT_EQ(DataFromElsewhere(first, *vcpu), kVector);
}

TEST(SavedStateTest, ALineThatIsTriggeredAfterwardsFindsItsRoute) {
  PayloadGuest first;
  const auto vcpu = CreateWaiting(first);
  kvm_irqchip chip{};
  chip.chip_id = KVM_IRQCHIP_IOAPIC;
  Must(kvm::Ioctl(first.vm().fd(), KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &chip));
  chip.chip.ioapic.redirtbl[kLine].bits = kVector;
  Must(kvm::Ioctl(first.vm().fd(), KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", &chip));
  const SavedGuest saved = Save(first, *vcpu);
  PayloadGuest second;
  CopyMemory(first, second);
  const auto restored = Restore(second, saved);
  const auto line = Must(second.vm().CreateInterruptLine(Gsi{kLine}));
  line->Trigger();
  second.RunUntilDone(*restored);
  EXPECT_EQ(second.ReadData(), kVector);
}

TEST(SavedStateTest, ATimerThatIsSetFiresAfterwards) {
  PayloadGuest first;
  const auto vcpu = CreateWaiting(first);
  SetApicRegister(*vcpu, kTimerOffset, kTimerDeadlineMode | kVector);
  SetMsr(*vcpu, kTscDeadline, Msr(*vcpu, kTsc) + 500'000'000);  // a fraction of a second
  EXPECT_EQ(DataFromElsewhere(first, *vcpu), kVector);
}

TEST(SavedStateTest, ATimerThatWasDueMeanwhileFiresAfterwards) {
  PayloadGuest first;
  const auto vcpu = CreateWaiting(first);
  SetApicRegister(*vcpu, kTimerOffset, kTimerDeadlineMode | kVector);
  SetMsr(*vcpu, kTscDeadline, Msr(*vcpu, kTsc) + 1000);
  const uint64_t deadline = Msr(*vcpu, kTscDeadline);
  while (Msr(*vcpu, kTsc) < deadline + 1'000'000) ::sched_yield();
  EXPECT_EQ(DataFromElsewhere(first, *vcpu), kVector);
}

// What is said of a saved vCPU that was changed.
std::string ErrorAfter(const std::function<void(kvm::StateParts&)>& change) {
  PayloadGuest first;
  const auto vcpu = first.CreateVcpu(0, Compute(1));
  kvm::StateParts parts = Must(kvm::SaveVcpu(first.system(), first.vm(), *vcpu));
  change(parts);
  PayloadGuest second;
  const auto other = Must(second.vm().CreateVcpu(kvm::VcpuIndex{0}));
  const Status restored = kvm::RestoreVcpu(second.system(), second.vm(), *other, parts);
  return restored ? "none" : restored.error().message();
}

TEST(SavedStateTest, APartThatIsMissingIsNamed) {
  for (const std::string_view name : {"regs", "xcrs", "xsave", "debugregs", "lapic", "events",
                                      "mp_state", "msrs", "cpuid", "tsc_khz"}) {
    const std::string error = ErrorAfter([name](kvm::StateParts& parts) {
      std::erase_if(parts, [name](const kvm::StatePart& part) { return part.name == name; });
    });
    EXPECT_EQ(error, "vCPU 0: " + std::string(name) + " is missing");
  }
}

TEST(SavedStateTest, APartOfTheWrongSizeIsNamed) {
  for (const std::string_view name : {"regs", "xcrs", "xsave", "debugregs", "lapic", "events",
                                      "mp_state", "msrs", "cpuid", "tsc_khz"}) {
    const std::string error = ErrorAfter([name](kvm::StateParts& parts) {
      std::ranges::find(parts, name, &kvm::StatePart::name)->bytes.pop_back();
    });
    EXPECT_THAT(error, HasSubstr("vCPU 0: " + std::string(name) + " is ")) << error;
  }
}

TEST(SavedStateTest, APartThatNobodyKnowsAndOneThatIsThereTwiceAreNamed) {
  EXPECT_EQ(
      ErrorAfter([](kvm::StateParts& parts) { parts.push_back({.name = "more", .bytes = {}}); }),
      "vCPU 0: more is unknown");
  EXPECT_EQ(ErrorAfter([](kvm::StateParts& parts) { parts.push_back(parts.front()); }),
            "vCPU 0: mp_state is there twice");
}

TEST(SavedStateTest, AnMsrThatKvmDoesNotKnowIsNamed) {
  const std::string error = ErrorAfter([](kvm::StateParts& parts) {
    const std::span<std::byte> first = Part(parts, "msrs");
    StoreLe<uint32_t>(0x4b56'4dee, first);
    StoreLe<uint64_t>(7, first.subspan(sizeof(uint32_t)));
  });
  EXPECT_EQ(error, "vCPU 0: KVM refused the value 0x7 for the register 0x4b564dee");
}

TEST(SavedStateTest, ACounterOfAnotherFrequencyNeedsAProcessorThatScalesIt) {
  const bool scales = Must(Must(kvm::System::Open()).QueryCapability(KVM_CAP_TSC_CONTROL)) > 0;
  const std::string error = ErrorAfter([](kvm::StateParts& parts) {
    const std::span<std::byte> khz = Part(parts, "tsc_khz");
    StoreLe(LoadLe<uint32_t>(khz) / 1000 * 999, khz);
  });
  if (scales) {
    EXPECT_EQ(error, "none");
  } else {
    EXPECT_THAT(error, HasSubstr("its processor cannot scale it"));
  }
}

TEST(SavedStateTest, AChipInAnothersPlaceIsNamed) {
  PayloadGuest guest;
  kvm::StateParts parts = Must(kvm::SaveControllers(guest.vm()));
  StoreLe<uint32_t>(1, Part(parts, "pic_primary"));
  const Status restored = kvm::RestoreControllers(guest.vm(), parts, kvm::ClockMode::kAsSaved);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().message(),
            "interrupt controllers and timers: pic_primary is of chip 1, not 0");
}

}  // namespace
}  // namespace ember
