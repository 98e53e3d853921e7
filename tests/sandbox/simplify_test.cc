#include "sandbox/policy/simplify.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "sandbox/audit_architecture.h"
#include "sandbox/policy/compiler.h"
#include "tests/sandbox/filter_machine.h"
#include "tests/sandbox/policy_text.h"

namespace ember::sandbox {
namespace {

using Filter = std::vector<sock_filter>;

constexpr uint32_t kNumbers = 600;  // more than there are
constexpr uint32_t kOtherAbi = 0x40000000;
constexpr sock_filter kAllow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
constexpr sock_filter kTrap = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_TRAP};

// Arguments that a filter may tell apart: what it compares with, and what is beside.
std::vector<uint64_t> ArgumentsFor(const Filter& filter) {
  std::vector<uint64_t> values = {0, ~uint64_t{0}};
  for (const sock_filter& step : filter) {
    for (const uint64_t value : {uint64_t{step.k}, uint64_t{step.k} + 1, uint64_t{step.k} - 1}) {
      values.push_back(value);
      values.push_back(value | uint64_t{1} << 32);
    }
  }
  return values;
}

// `number` in each architecture's way, with arguments of chance.
void ExpectSameFor(const Filter& before, const Filter& after, uint32_t number, int times) {
  static std::mt19937_64 random(7);
  const std::vector<uint64_t> values = ArgumentsFor(before);
  for (int i = 0; i < times; ++i) {
    std::array<uint64_t, 6> arguments{};
    for (uint64_t& argument : arguments) argument = values[random() % values.size()];
    for (const uint32_t architecture : {kAuditArchitecture, uint32_t{AUDIT_ARCH_I386}}) {
      ASSERT_EQ(JudgeNumber(after, number, architecture, arguments),
                JudgeNumber(before, number, architecture, arguments))
          << number << " of " << architecture << ", " << arguments[0] << " " << arguments[1] << " "
          << arguments[2];
    }
  }
}

void ExpectSame(const Filter& before, const Filter& after) {
  for (uint32_t number = 0; number < kNumbers; ++number) {
    ExpectSameFor(before, after, number, 200);
    ExpectSameFor(before, after, kOtherAbi | number, 1);
  }
  for (const uint32_t number : {kOtherAbi - 1, ~uint32_t{0}, ~uint32_t{0} - 1, ~uint32_t{0} >> 1}) {
    ExpectSameFor(before, after, number, 1);
  }
}

TEST(SimplifyTest, EachThreadsFilterAnswersAsBeforeAndIsShorter) {
  const Policy policy = ParsePolicy(PolicyText()).value();
  for (const ThreadPolicy& thread : policy) {
    const Filter before = TranslateThread(thread).value();
    const Filter after = Simplify(before).value();
    EXPECT_LT(after.size(), before.size());
    ExpectSame(before, after);
  }
}

// More than a test can jump over.
TEST(SimplifyTest, ALongFilterAnswersAsBefore) {
  ThreadPolicy thread;
  for (const char* call : {"read", "write", "ioctl", "fcntl", "prctl", "futex", "openat"}) {
    Rule rule{.call = call, .conditions = {{.argument = 1}, {.argument = 2}}};
    for (uint32_t value = 0; value < 100; ++value) rule.conditions[0].values.push_back(value * 3);
    rule.conditions[1].values = {7};
    thread.rules.push_back(rule);
  }
  const Filter before = TranslateThread(thread).value();
  const Filter after = Simplify(before).value();
  ASSERT_GT(after.size(), 300U);
  EXPECT_LE(after.size(), before.size());
  ExpectSame(before, after);
}

TEST(SimplifyTest, WhatCannotFailIsNotTestedAndNothingIsLoadedTwice) {
  constexpr uint32_t kArgument = offsetof(seccomp_data, args);
  const Filter before = {
      {.code = BPF_LD | BPF_W | BPF_ABS, .k = kArgument + 4},
      {.code = BPF_ALU | BPF_AND | BPF_K, .k = 0},
      {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 0, .jf = 5, .k = 0},
      {.code = BPF_LD | BPF_W | BPF_ABS, .k = kArgument},
      {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 2, .jf = 0, .k = 1},
      {.code = BPF_LD | BPF_W | BPF_ABS, .k = kArgument},
      {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 0, .jf = 1, .k = 2},
      kAllow,
      kTrap,
  };
  const Filter after = Simplify(before).value();
  EXPECT_EQ(after.size(), 5U);
  ExpectSame(before, after);
}

TEST(SimplifyTest, NumbersAreLookedForByHalves) {
  Filter before = {{.code = BPF_LD | BPF_W | BPF_ABS, .k = offsetof(seccomp_data, nr)}};
  constexpr uint8_t kCalls = 64;
  for (uint8_t i = 0; i < kCalls; ++i) {
    before.push_back({.code = BPF_JMP | BPF_JEQ | BPF_K,
                      .jt = static_cast<uint8_t>(kCalls - i),
                      .jf = 0,
                      .k = uint32_t{i} * 3});
  }
  before.push_back(kTrap);
  before.push_back(kAllow);
  const Filter after = Simplify(before).value();
  ExpectSame(before, after);
  // One load, a test for each number and one more for each two, and the answers.
  EXPECT_LE(after.size(), 1U + kCalls + kCalls / 2 + 2U);
  const auto is_at_least = [](const sock_filter& step) { return BPF_OP(step.code) == BPF_JGE; };
  EXPECT_TRUE(std::ranges::any_of(after, is_at_least));
}

TEST(SimplifyTest, RefusesWhatLibseccompDoesNotWrite) {
  EXPECT_FALSE(Simplify({}));
  EXPECT_FALSE(Simplify(Filter{{.code = BPF_ST, .k = 0}, kAllow}));
  EXPECT_FALSE(Simplify(Filter{{.code = BPF_LD | BPF_W | BPF_ABS, .k = 0}}));
  EXPECT_FALSE(Simplify(Filter{{.code = BPF_JMP | BPF_JA, .k = ~uint32_t{0}}, kAllow}));
}

}  // namespace
}  // namespace ember::sandbox
