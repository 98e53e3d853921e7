#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>

#include "kvm/x86_64/cpuid_modifiers.h"
#include "kvm/x86_64/msrs.h"
#include "kvm/x86_64/vcpu_setup.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

using kvm::CpuidRegister;
using kvm::x86_64::CpuidEntry;
using testing::HasSubstr;

constexpr uint32_t kKvmFeatures = 0x4000'0001;
constexpr uint32_t kMtrrDefaultType = 0x2ff;
constexpr uint32_t kPat = 0x277;

// What guests on real KVM see of a client's changes.
class CpuConfigTest : public ::testing::Test {
 protected:
  Status Change(std::vector<kvm::CpuidModifier> modifiers) {
    guest_.SetCpuid(TRY(kvm::x86_64::ApplyCpuidModifiers(guest_.cpuid(), modifiers)));
    return {};
  }

  // Runs the code in kernel mode; then the words at kData are what it stored.
  std::array<uint32_t, 4> Run(const PayloadCode& code) {
    const auto vcpu = guest_.CreateVcpu(0, code, PayloadGuest::Mode::kKernel);
    guest_.RunUntilDone(*vcpu);
    return Must(guest_.memory().Read<std::array<uint32_t, 4>>(PayloadGuest::kData));
  }
  std::array<uint32_t, 4> RunCpuid(uint32_t leaf) {
    PayloadCode code;
    code.MovRax(leaf).MovRcx(0).MovRsi(ToInteger(PayloadGuest::kData)).StoreCpuid().Finish();
    return Run(code);
  }
  uint64_t RunRdmsr(uint32_t index) {
    PayloadCode code;
    code.MovRcx(index).MovRsi(ToInteger(PayloadGuest::kData)).StoreMsr().Finish();
    const auto words = Run(code);
    return words[0] | uint64_t{words[1]} << 32;
  }

  PayloadGuest guest_;
};

TEST_F(CpuConfigTest, TheGuestsCpuidAnswersAsItWasChanged) {
  const auto host = std::ranges::find(guest_.cpuid(), kKvmFeatures, &CpuidEntry::leaf);
  ASSERT_NE(host, guest_.cpuid().end());
  const uint32_t before = host->eax;
  Must(Change({{.leaf = kKvmFeatures,
                .registers = {{CpuidRegister::kEax, {0xff00'00ff, 0x0100'0001}},
                              {CpuidRegister::kEdx, {0xffff'ffff, 0xcafe'f00d}}}}}));
  const auto seen = RunCpuid(kKvmFeatures);
  EXPECT_EQ(seen[0], (before & 0x00ff'ff00) | 0x0100'0001);
  EXPECT_EQ(seen[3], 0xcafe'f00dU);
}

TEST_F(CpuConfigTest, AFeatureThatIsTakenAwayIsNotOffered) {
  if (guest_.backend() == kvm::Backend::kSoftware) {
    GTEST_SKIP() << "guests run on the processor itself, with the host's features";
  }
  constexpr uint32_t kRdrand = 1U << 30;
  constexpr uint32_t kMovbe = 1U << 22;
  Must(Change({{.leaf = 0x1, .registers = {{CpuidRegister::kEcx, {kRdrand | kMovbe, kMovbe}}}}}));
  EXPECT_EQ(RunCpuid(0x1)[2] & (kRdrand | kMovbe), kMovbe);
}

TEST_F(CpuConfigTest, TheGuestReadsTheMsrAsItWasChanged) {
  // The page attributes of entry 7 to write-combining (1); the others as at reset.
  guest_.SetMsrModifiers({{.index = kPat, .bits = {0xff00'0000'0000'0000, 0x0100'0000'0000'0000}}});
  EXPECT_EQ(RunRdmsr(kPat), 0x0107'0406'0007'0406U);
}

TEST_F(CpuConfigTest, RegistersOfTheBootProtocolAreTheKernelsDue) {
  guest_.SetMsrModifiers({{.index = kMtrrDefaultType, .bits = {0xff, 0}}});
  EXPECT_EQ(RunRdmsr(kMtrrDefaultType), 0x806U);
}

TEST_F(CpuConfigTest, AnMsrThatTheHostDoesNotKnowIsNamed) {
  const auto vcpu = Must(guest_.vm().CreateVcpu(kvm::VcpuIndex{0}));
  const std::array<kvm::MsrModifier, 1> unknown = {{{.index = 0x1234'5678}}};
  const Status status = kvm::x86_64::SetUpVcpu(*vcpu, guest_.cpuid(), {}, unknown);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(),
              HasSubstr("Template changes an MSR entry not supported by KVM: Register Address: "
                        "0x12345678"));
}

TEST_F(CpuConfigTest, AnMsrThatCannotBeSoIsNamedWithItsValue) {
  const auto vcpu = Must(guest_.vm().CreateVcpu(kvm::VcpuIndex{0}));
  const std::array<kvm::MsrModifier, 1> reserved = {
      {{.index = kMtrrDefaultType, .bits = {0xff, 0x02}}}};
  const Status status = kvm::x86_64::SetUpVcpu(*vcpu, guest_.cpuid(), {}, reserved);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(), HasSubstr("0x2 for the register 0x2ff"));
}

TEST_F(CpuConfigTest, ACapabilityThatTheHostLacksIsNamed) {
  constexpr kvm::CapabilityModifier kNoSuch{.number = 99'999};
  const auto system = kvm::System::Open("/dev/kvm", std::array{kNoSuch});
  ASSERT_FALSE(system);
  EXPECT_THAT(system.error().message(), HasSubstr("/dev/kvm lacks the capability 99999"));
}

}  // namespace
}  // namespace ember
