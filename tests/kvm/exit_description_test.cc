#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "kvm/exit_dispatch.h"
#include "tests/kvm/fabricated_run.h"

namespace ember::kvm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ExitDescriptionTest, EachReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int reason = 0; reason <= static_cast<int>(StopReason::kHostFailure); ++reason) {
    names.insert(Name(static_cast<StopReason>(reason)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(StopReason::kHostFailure) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(ExitDescriptionTest, FailedEmulationShowsTheInstruction) {
  FabricatedRun fake;
  auto& failure = fake.run().emulation_failure;
  failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  failure.ndata = 3;
  failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  failure.insn_size = 3;
  const uint8_t xgetbv[] = {0x0f, 0x01, 0xd0};
  std::memcpy(failure.insn_bytes, xgetbv, sizeof(xgetbv));
  const std::string text = DescribeStop(fake.area(), StopReason::kInternalError);
  EXPECT_THAT(text, HasSubstr("cannot emulate"));
  EXPECT_THAT(text, HasSubstr("(bytes 0f 01 d0)"));
}

TEST(ExitDescriptionTest, InstructionSizeBeyondTheArrayIsCutToIt) {
  FabricatedRun fake;
  auto& failure = fake.run().emulation_failure;
  failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  failure.ndata = 3;
  failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  failure.insn_size = 255;
  std::memset(failure.insn_bytes, 0x90, sizeof(failure.insn_bytes));
  const std::string text = DescribeStop(fake.area(), StopReason::kInternalError);
  size_t shown = 0;
  for (size_t at = text.find(" 90"); at != std::string::npos; at = text.find(" 90", at + 1)) {
    ++shown;
  }
  EXPECT_EQ(shown, sizeof(failure.insn_bytes));
}

TEST(ExitDescriptionTest, FailedEmulationWithoutBytesShowsNone) {
  FabricatedRun fake;
  fake.run().emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  EXPECT_THAT(DescribeStop(fake.area(), StopReason::kInternalError), Not(HasSubstr("bytes")));
}

TEST(ExitDescriptionTest, OtherInternalErrorsShowSuberrorAndAtMostTheirData) {
  FabricatedRun fake;
  fake.run().internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
  fake.run().internal.ndata = 0xffff'ffff;
  fake.run().internal.data[0] = 0xabc;
  fake.run().internal.data[15] = 0xdef;
  const std::string text = DescribeStop(fake.area(), StopReason::kInternalError);
  EXPECT_THAT(text, HasSubstr("suberror 3"));
  EXPECT_THAT(text, HasSubstr("0xabc"));
  EXPECT_THAT(text, ::testing::EndsWith("0xdef"));
}

TEST(ExitDescriptionTest, RefusedEntryShowsTheHardwareReason) {
  FabricatedRun fake;
  fake.run().fail_entry.hardware_entry_failure_reason = 0x8000'0021;
  EXPECT_THAT(DescribeStop(fake.area(), StopReason::kEntryFailure), HasSubstr("0x80000021"));
}

TEST(ExitDescriptionTest, UnknownExitsShowTheirNumber) {
  FabricatedRun fake;
  fake.run().exit_reason = 99;
  EXPECT_THAT(DescribeStop(fake.area(), StopReason::kUnexpectedExit), HasSubstr("99"));
  fake.run().exit_reason = KVM_EXIT_UNKNOWN;
  fake.run().hw.hardware_exit_reason = 0x77;
  EXPECT_THAT(DescribeStop(fake.area(), StopReason::kUnexpectedExit), HasSubstr("0x77"));
}

TEST(ExitDescriptionTest, NonsenseFromTheHostShowsTheAccess) {
  FabricatedRun fake;
  fake.SetMmio(0xd000'0000, 9, true);
  EXPECT_THAT(DescribeStop(fake.area(), StopReason::kHostFailure),
              HasSubstr("9 bytes at 0xd0000000"));
  fake.SetPio(KVM_EXIT_IO_OUT, 0x3f8, 1, {0});
  fake.run().io.data_offset = 1 << 20;
  EXPECT_THAT(DescribeStop(fake.area(), StopReason::kHostFailure), HasSubstr("offset 1048576"));
}

}  // namespace
}  // namespace ember::kvm
