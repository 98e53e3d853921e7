#include "sandbox/policy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "base/concat.h"
#include "sandbox/policy/compiler.h"
#include "sandbox/policy/constants.h"
#include "tests/sandbox/filter_machine.h"

namespace ember::sandbox {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A policy whose vCPU has these lines, and whose other threads may end.
std::string WithVcpu(const std::string& lines, int at_most = 20) {
  std::string text = Concat("thread vcpu at most ", at_most, "\n", lines, "\n");
  for (const std::string_view name : {"api", "vmm", "device", "worker", "faults"}) {
    text += Concat("thread ", name, " at most 1\n  exit\n");
  }
  return text;
}

ThreadPolicy Vcpu(const std::string& lines) {
  return ParsePolicy(WithVcpu(lines)).value()[static_cast<size_t>(ThreadKind::kVcpu)];
}

std::string ErrorOf(const std::string& text) {
  const Result<Policy> policy = ParsePolicy(text);
  return policy ? "no error" : policy.error().message();
}

TEST(PolicyTest, ALineIsACallAndItsConditions) {
  const ThreadPolicy vcpu =
      Vcpu("  exit\n\n  mmap arg2 without PROT_EXEC and arg3 in 1 2|4  # why\nclone3 fails ENOSYS");
  ASSERT_EQ(vcpu.rules.size(), 3U);
  EXPECT_EQ(vcpu.rules[0], (Rule{.call = "exit"}));
  EXPECT_EQ(vcpu.rules[1].conditions,
            (std::vector<Condition>{
                {.argument = 2, .kind = Condition::Kind::kWithout, .values = {PROT_EXEC}},
                {.argument = 3, .kind = Condition::Kind::kIn, .values = {1, 6}}}));
  EXPECT_EQ(vcpu.rules[2].error_number, ENOSYS);
  EXPECT_THAT(AllowedCalls(vcpu), ElementsAre("exit", "mmap"));
}

TEST(PolicyTest, AGroupIsUsedByOthers) {
  const std::string text =
      Concat("group a\n exit\ngroup b\n use a\n write\n", WithVcpu(" use b\n use a\n exit"));
  EXPECT_THAT(AllowedCalls(ParsePolicy(text).value()[static_cast<size_t>(ThreadKind::kVcpu)]),
              ElementsAre("exit", "write"));
}

TEST(PolicyTest, ErrorsNameTheLineAndTheWord) {
  EXPECT_THAT(ErrorOf("exit"), HasSubstr("line 1: a rule stands before"));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg1 in KVM_FLY")), HasSubstr("line 2: \"KVM_FLY\""));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg6 in 1")), HasSubstr("\"arg6\""));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg in 1")), HasSubstr("\"arg\""));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg1 is 1")), HasSubstr("\"is\""));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg1 in")), HasSubstr("a condition is"));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg1 in 1 and")), HasSubstr("missing after \"and\""));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg1 without 1 2")), HasSubstr("one value"));
  EXPECT_THAT(ErrorOf(WithVcpu("ioctl arg1 in 4294967296")), HasSubstr("\"4294967296\""));
  EXPECT_THAT(ErrorOf(WithVcpu("clone3 fails")), HasSubstr("one error"));
  EXPECT_THAT(ErrorOf(WithVcpu("use nobody")), HasSubstr("no group nobody"));
  EXPECT_THAT(ErrorOf("group a\nuse a"), HasSubstr("no group a above"));
  EXPECT_THAT(ErrorOf("group a\ngroup a"), HasSubstr("two groups a"));
  EXPECT_THAT(ErrorOf("thread tea at most 3"), HasSubstr("no thread tea"));
  EXPECT_THAT(ErrorOf("thread api"), HasSubstr("at most COUNT"));
  EXPECT_THAT(ErrorOf("thread api at most 3\nexit\nthread api at most 3"),
              HasSubstr("api is twice"));
  EXPECT_THAT(ErrorOf("thread api at most 3\nexit"), HasSubstr("nothing on the thread vmm"));
}

TEST(PolicyTest, AThreadKeepsToWhatItMayHave) {
  EXPECT_THAT(ErrorOf(WithVcpu("exit\nread\nread arg0 in 1", 2)), "no error");
  EXPECT_THAT(ErrorOf(WithVcpu("exit\nread\nwrite", 2)),
              HasSubstr("thread vcpu: 3 calls exceed the limit 2"));
  EXPECT_THAT(ErrorOf(WithVcpu("read\nread fails EPERM")),
              HasSubstr("read is both allowed and refused"));
}

TEST(PolicyTest, ACallThatThereIsNotIsNamedByTheCompiler) {
  const Result<std::vector<sock_filter>> filter = CompileThread(Vcpu("fly"));
  ASSERT_FALSE(filter);
  EXPECT_THAT(filter.error().message(), HasSubstr("fly is no system call"));
}

TEST(PolicyTest, ConditionsCompileToWhatTheySay) {
  const auto filter =
      CompileThread(Vcpu("mmap arg2 without 4 and arg3 in 1 2\nfutex arg1 in FUTEX_WAKE\nread\n"
                         "clone3 fails ENOSYS"))
          .value();
  EXPECT_EQ(Judge(filter, {"mmap", {0, 0, 3, 1}}), Verdict::kAllow);
  EXPECT_EQ(Judge(filter, {"mmap", {0, 0, 3, 2}}), Verdict::kAllow);
  EXPECT_EQ(Judge(filter, {"mmap", {0, 0, 3, 3}}), Verdict::kTrap);
  EXPECT_EQ(Judge(filter, {"mmap", {0, 0, 7, 1}}), Verdict::kTrap);
  EXPECT_EQ(Judge(filter, {"futex", {0, FUTEX_WAKE}}), Verdict::kAllow);
  EXPECT_EQ(Judge(filter, {"futex", {0, FUTEX_WAIT}}), Verdict::kTrap);
  EXPECT_EQ(Judge(filter, {"read", {1, 2, 3}}), Verdict::kAllow);
  EXPECT_EQ(Judge(filter, {"write", {}}), Verdict::kTrap);
  EXPECT_EQ(Judge(filter, {"clone3", {}}), Verdict::kError);
}

TEST(PolicyTest, ConstantsAreTheKernels) {
  EXPECT_EQ(ConstantNamed("PROT_EXEC"), 4U);
  EXPECT_EQ(ConstantNamed("KVM_RUN"), 0xae80U);
  EXPECT_EQ(ConstantNamed("SIGRTMIN"), 34U);
  EXPECT_EQ(ConstantNamed("PROT_EXECUTE"), std::nullopt);
}

}  // namespace
}  // namespace ember::sandbox
