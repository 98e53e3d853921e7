#include "vmm/machine_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ember::vmm {
namespace {

using kvm::StopReason;
using testing::HasSubstr;

TEST(MachineEndTest, WhatAGuestAsksOfItsMachineEndsItWithTheCodeOfThat) {
  EXPECT_EQ(EndOf(VmRequest::kPowerOff).exit_code, ExitCode::kOk);
  EXPECT_EQ(EndOf(VmRequest::kReset).exit_code, ExitCode::kOk);
  EXPECT_EQ(EndOf(VmRequest::kGuestPanicked).exit_code, ExitCode::kGuestPanic);
  EXPECT_EQ(EndOf(VmRequest::kGuestCrashLoaded).exit_code, ExitCode::kGuestPanic);
}

TEST(MachineEndTest, EachRequestHasASentenceOfItsOwn) {
  std::set<std::string> reasons;
  for (const VmRequest request : {VmRequest::kPowerOff, VmRequest::kReset,
                                  VmRequest::kGuestPanicked, VmRequest::kGuestCrashLoaded}) {
    const std::string reason = EndOf(request).reason;
    EXPECT_NE(reason, "");
    EXPECT_TRUE(reasons.insert(reason).second) << reason;
  }
}

TEST(MachineEndTest, TheEndOfAVcpuEndsTheMachineWithTheCodeOfItsReason) {
  const auto code_of = [](StopReason reason) {
    return EndOf(kvm::ExitReport{.reason = reason}).exit_code;
  };
  EXPECT_EQ(code_of(StopReason::kHalt), ExitCode::kUnexpectedExit);
  EXPECT_EQ(code_of(StopReason::kTripleFault), ExitCode::kTripleFault);
  EXPECT_EQ(code_of(StopReason::kGuestShutdown), ExitCode::kOk);
  EXPECT_EQ(code_of(StopReason::kGuestReset), ExitCode::kOk);
  EXPECT_EQ(code_of(StopReason::kGuestCrash), ExitCode::kGuestPanic);
  EXPECT_EQ(code_of(StopReason::kInternalError), ExitCode::kInternalError);
  EXPECT_EQ(code_of(StopReason::kEntryFailure), ExitCode::kEntryFailure);
  EXPECT_EQ(code_of(StopReason::kUnexpectedExit), ExitCode::kUnexpectedExit);
  EXPECT_EQ(code_of(StopReason::kHostFailure), ExitCode::kGenericError);
}

TEST(MachineEndTest, TheSentenceNamesTheReasonAndWhatKvmTold) {
  const MachineEnd end =
      EndOf(kvm::ExitReport{.reason = StopReason::kInternalError, .details = "suberror 1"});
  EXPECT_THAT(end.reason, HasSubstr(kvm::Name(StopReason::kInternalError)));
  EXPECT_THAT(end.reason, HasSubstr("suberror 1"));
}

// docs/exit_codes.md: what scripts around the process depend on.
TEST(MachineEndTest, ExitCodesAreThoseOfTheDocument) {
  EXPECT_EQ(ToInteger(ExitCode::kOk), 0);
  EXPECT_EQ(ToInteger(ExitCode::kGenericError), 1);
  EXPECT_EQ(ToInteger(ExitCode::kGuestPanic), 3);
  EXPECT_EQ(ToInteger(ExitCode::kTripleFault), 4);
  EXPECT_EQ(ToInteger(ExitCode::kInternalError), 5);
  EXPECT_EQ(ToInteger(ExitCode::kEntryFailure), 6);
  EXPECT_EQ(ToInteger(ExitCode::kUnexpectedExit), 7);
  EXPECT_EQ(ToInteger(ExitCode::kBadConfiguration), 152);
  EXPECT_EQ(ToInteger(ExitCode::kBadArguments), 153);
}

}  // namespace
}  // namespace ember::vmm
