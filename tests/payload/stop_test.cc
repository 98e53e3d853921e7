#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

using kvm::StopReason;

TEST(StopTest, AFaultWithoutHandlersIsATripleFault) {
  PayloadGuest guest;
  PayloadCode code;
  code.Ud2();
  const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateVcpu(0, code);
  const kvm::ExitReport report = guest.RunUntilStop(*vcpu);
  EXPECT_EQ(report.reason, StopReason::kTripleFault) << report.details;
  EXPECT_EQ(guest.metrics().failures.value(), 1U);
}

TEST(StopTest, HltInUserModeIsAFault) {
  PayloadGuest guest;
  PayloadCode code;
  code.Hlt();
  const std::unique_ptr<kvm::Vcpu> vcpu = guest.CreateVcpu(0, code);
  EXPECT_EQ(guest.RunUntilStop(*vcpu).reason, StopReason::kTripleFault);
}

// Wherever the instruction at RIP cannot even be fetched, KVM must end, and for a reason it names.
TEST(StopTest, CodeInMmioSpaceEndsWithAReason) {
  PayloadGuest guest;
  const std::unique_ptr<kvm::Vcpu> vcpu =
      guest.CreateVcpuAt(0, GuestAddress{PayloadGuest::kMmioAddress});
  const kvm::ExitReport report = guest.RunUntilStop(*vcpu);
  EXPECT_THAT(report.reason,
              ::testing::AnyOf(StopReason::kInternalError, StopReason::kTripleFault));
  EXPECT_FALSE(report.details.empty());
}

}  // namespace
}  // namespace ember
