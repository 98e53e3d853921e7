#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/concat.h"
#include "vmm/config_json.h"
#include "vmm/cpu/bit_pattern_text.h"
#include "vmm/cpu/cpu_config_json.h"

namespace ember::vmm {
namespace {

using kvm::BitPattern;
using testing::HasSubstr;

template <typename T>
std::string ErrorOf(const Result<T>& result) {
  return result ? std::string() : result.error().message();
}

Result<CpuConfig> Read(std::string_view text) { return ReadCpuConfig(*ParseJson(text)); }

// The number of a text of `length` characters out of `letters`, counted up from 0.
std::string TextOfNumber(uint32_t number, uint32_t length, std::string_view letters) {
  std::string text;
  for (uint32_t i = 0; i < length; ++i) {
    text += letters[number % letters.size()];
    number /= static_cast<uint32_t>(letters.size());
  }
  return text;
}

uint32_t Power(uint32_t base, uint32_t exponent) {
  return exponent == 0 ? 1 : base * Power(base, exponent - 1);
}

TEST(BitPatternTest, EveryTextOfSixLettersMeansWhatItsLettersSay) {
  constexpr std::string_view kLetters = "01x_?";
  for (uint32_t length = 0; length <= 6; ++length) {
    for (uint32_t number = 0; number < Power(5, length); ++number) {
      const std::string text = TextOfNumber(number, length, kLetters);
      const auto bits = ParseBitPattern<uint32_t>(text);
      if (text.find('?') != std::string::npos) {
        ASSERT_FALSE(bits) << text;
        continue;
      }
      BitPattern<uint32_t> expected;
      uint32_t bit = 1;
      for (auto letter = text.rbegin(); letter != text.rend(); ++letter) {
        if (*letter == '_') continue;
        if (*letter != 'x') expected.mask |= bit;
        if (*letter == '1') expected.value |= bit;
        bit <<= 1;
      }
      ASSERT_TRUE(bits) << text;
      ASSERT_EQ(*bits, expected) << text;
      ASSERT_EQ(*ParseBitPattern<uint32_t>("0b" + text), expected) << text;
      ASSERT_EQ(*ParseBitPattern<uint32_t>(ToText(expected)), expected) << text;
    }
  }
}

TEST(BitPatternTest, EachBitOfEachWidthCanBeSetClearedAndLeft) {
  for (uint32_t width : {32U, 64U}) {
    for (uint32_t bit = 0; bit < width; ++bit) {
      std::string text(width, 'x');
      const uint64_t mask = uint64_t{1} << bit;
      text[width - 1 - bit] = '1';
      EXPECT_EQ(*ParseBitPattern(text, width), (BitPattern<uint64_t>{mask, mask}));
      text[width - 1 - bit] = '0';
      EXPECT_EQ(*ParseBitPattern(text, width), (BitPattern<uint64_t>{mask, 0}));
    }
  }
}

TEST(BitPatternTest, OneBitMoreThanTheWidthIsTooMany) {
  EXPECT_TRUE(ParseBitPattern<uint32_t>(std::string(32, '1')));
  EXPECT_TRUE(ParseBitPattern<uint64_t>(std::string(64, '1')));
  EXPECT_THAT(ErrorOf(ParseBitPattern<uint32_t>(std::string(33, 'x'))),
              HasSubstr("more than 32 bits"));
  EXPECT_THAT(ErrorOf(ParseBitPattern<uint64_t>(std::string(65, 'x'))),
              HasSubstr("more than 64 bits"));
}

TEST(BitPatternTest, AppliesWhatItNamesAndLeavesTheRest) {
  constexpr BitPattern<uint32_t> kBits{0xff00'00ff, 0x1200'0034};
  EXPECT_EQ(kBits.Apply(0xaabb'ccdd), 0x12bb'cc34U);
}

TEST(NumberTextTest, HasThreeBases) {
  EXPECT_EQ(*ParseNumber("0x8000001f"), 0x8000'001fU);
  EXPECT_EQ(*ParseNumber("0b101"), 5U);
  EXPECT_EQ(*ParseNumber("266"), 266U);
  EXPECT_EQ(*ParseNumber("4294967295"), 4294967295U);
}

TEST(NumberTextTest, TakesNothingElse) {
  for (const char* text : {"", "0x", "0b", "0b2", "0xg", "-1", "+1", " 1", "1 ", "0X1", "1_000",
                           "4294967296", "0x100000000"}) {
    EXPECT_FALSE(ParseNumber(text)) << text;
  }
}

constexpr std::string_view kFull = R"({
  "kvm_capabilities": ["121", "!56"],
  "cpuid_modifiers": [{"leaf": "0x1", "subleaf": "0b0", "flags": 0, "modifiers": [
    {"register": "eax", "bitmap": "0bxxxx_0000"}, {"register": "edx", "bitmap": "0b1"}]}],
  "msr_modifiers": [{"addr": "266", "bitmap": "0b1x0"}],
  "reg_modifiers": [], "vcpu_features": null})";

TEST(CpuConfigTest, AFullOneIsReadWhole) {
  const Result<CpuConfig> cpu = Read(kFull);
  ASSERT_TRUE(cpu) << cpu.error().message();
  const CpuConfig expected{
      .kvm_capabilities = {{.number = 121}, {.number = 56, .needed = false}},
      .modifiers = {.cpuid = {{.leaf = 1,
                               .registers = {{kvm::CpuidRegister::kEax, {0xf, 0}},
                                             {kvm::CpuidRegister::kEdx, {1, 1}}}}},
                    .msrs = {{.index = 266, .bits = {0b101, 0b100}}}}};
  EXPECT_EQ(*cpu, expected);
}

TEST(CpuConfigTest, AnEmptyOneChangesNothing) { EXPECT_EQ(*Read("{}"), CpuConfig{}); }

TEST(CpuConfigTest, WhatIsShownIsReadAgain) {
  JsonWriter out;
  const CpuConfig cpu = *Read(kFull);
  out.BeginObject();
  WriteFields(out, cpu);
  out.EndObject();
  const std::string text = std::move(out).Take();
  EXPECT_EQ(*Read(text), cpu) << text;
}

TEST(CpuConfigTest, ErrorsNameThePlaceAndTheFault) {
  struct Case {
    const char* body;
    const char* fault;
  };
  for (const auto& [body, fault] : {
           Case{R"([])", "invalid type: sequence, expected a map"},
           Case{R"({"cpuid": []})", "unknown field `cpuid`, expected one of `kvm_capabilities`"},
           Case{R"({"kvm_capabilities": "121"})",
                R"(kvm_capabilities: invalid type: string "121", expected a sequence)"},
           Case{R"({"kvm_capabilities": ["1", 2]})",
                "kvm_capabilities[1]: invalid type: integer `2`, expected a string"},
           Case{R"({"kvm_capabilities": ["!"]})",
                R"(kvm_capabilities[0]: string "!" is not the number of a capability)"},
           Case{R"({"kvm_capabilities": ["2147483648"]})", "is not the number of a capability"},
           Case{R"({"cpuid_modifiers": [{"leaf": "0x1"}]})",
                "cpuid_modifiers[0]: missing field `subleaf`"},
           Case{R"({"cpuid_modifiers": [{"leaf": 1, "subleaf": "0x0", "flags": 0}]})",
                "leaf: invalid type: integer `1`, expected a string"},
           Case{R"({"cpuid_modifiers": [{"leaf": "one", "subleaf": "0x0", "flags": 0}]})",
                "leaf: Failed to parse string [one] as a number"},
           Case{R"({"cpuid_modifiers": [{"leaf": "0x1", "subleaf": "0x0", "flags": 0}]})",
                "missing field `modifiers`"},
           Case{R"({"cpuid_modifiers": [{"leaf": "0x1", "subleaf": "0x0", "flags": 0,
                    "modifiers": [{"register": "rax", "bitmap": "0b1"}]}]})",
                "cpuid_modifiers[0]: modifiers[0]: register: unknown variant `rax`, "
                "expected one of `eax`, `ebx`, `ecx`, `edx`"},
           Case{R"({"cpuid_modifiers": [{"leaf": "0x1", "subleaf": "0x0", "flags": 0,
                    "modifiers": [{"register": "eax", "bitmap": "0b2"}]}]})",
                "modifiers[0]: bitmap: Failed to parse string [0b2] as a bitmap"},
           Case{R"({"msr_modifiers": [{"addr": "0x10a"}]})",
                "msr_modifiers[0]: missing field `bitmap`"},
           Case{R"({"msr_modifiers": [{"addr": "0x1ffffffff", "bitmap": "0b1"}]})",
                "addr: Failed to parse string [0x1ffffffff] as a number of 32 bits"},
           Case{R"({"reg_modifiers": [{"addr": "0x603000000013c020", "bitmap": "0b1"}]})",
                "reg_modifiers: for aarch64 only"},
           Case{R"({"vcpu_features": [{"index": 0, "bitmap": "0b1"}]})",
                "vcpu_features: for aarch64 only"},
       }) {
    EXPECT_THAT(ErrorOf(Read(body)), HasSubstr(fault)) << body;
  }
}

std::string FileWith(std::string_view members) {
  return Concat(R"({"boot-source":{"kernel_image_path":"/k"},"drives":[],)", members, "}");
}

Result<std::string> ReadFull(const std::string& path) {
  if (path == "/cpu.json") return std::string(kFull);
  return Error(Concat(path, ": No such file or directory"));
}

TEST(CpuConfigTest, AConfigurationFileHoldsItOrItsPath) {
  const auto inline_one = ParseConfigFile(FileWith(Concat(R"("cpu-config":)", kFull)), ReadFull);
  ASSERT_TRUE(inline_one) << inline_one.error().message();
  EXPECT_EQ(inline_one->cpu, *Read(kFull));
  const auto by_path = ParseConfigFile(FileWith(R"("cpu-config":"/cpu.json")"), ReadFull);
  ASSERT_TRUE(by_path) << by_path.error().message();
  EXPECT_EQ(*by_path, *inline_one);
  EXPECT_EQ(ErrorOf(ParseConfigFile(FileWith(R"("cpu-config":"/no")"), ReadFull)),
            "cpu-config: /no: No such file or directory");
}

TEST(CpuConfigTest, InAConfigurationFileItTakesTheTemplatesPlace) {
  const auto config = ParseConfigFile(
      FileWith(R"("machine-config":{"vcpu_count":1,"mem_size_mib":1,"cpu_template":"T2"},
                  "cpu-config":{})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->machine.cpu_template, CpuTemplate::kNone);
  EXPECT_EQ(config->cpu, CpuConfig{});
}

}  // namespace
}  // namespace ember::vmm
