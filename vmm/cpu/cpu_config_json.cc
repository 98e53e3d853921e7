#include "vmm/cpu/cpu_config_json.h"

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/concat.h"
#include "vmm/config_json_reader.h"
#include "vmm/cpu/bit_pattern_text.h"

namespace ember::vmm {
namespace {

using kvm::CapabilityModifier;
using kvm::CpuidModifier;
using kvm::CpuidRegister;
using kvm::CpuidRegisterModifier;
using kvm::MsrModifier;

constexpr Named<CpuidRegister> kRegisters[] = {{"eax", CpuidRegister::kEax},
                                               {"ebx", CpuidRegister::kEbx},
                                               {"ecx", CpuidRegister::kEcx},
                                               {"edx", CpuidRegister::kEdx}};

// What `read` makes of each element of an array, which may be absent.
template <typename T>
Result<std::vector<T>> ReadArray(const ObjectReader& in, std::string_view field,
                                 Result<T> (*read)(const JsonValue&)) {
  std::vector<T> values;
  const JsonValue* const part = in.FindPart(field);
  if (part == nullptr) return values;
  const auto* elements = std::get_if<JsonValue::Array>(&part->value);
  if (elements == nullptr) {
    return Error(Concat(field, ": invalid type: ", DescribeJson(*part), ", expected a sequence"));
  }
  for (size_t i = 0; i < elements->size(); ++i) {
    values.push_back(TRY_CONTEXT(read((*elements)[i]), Concat(field, "[", i, "]")));
  }
  return values;
}

Result<CapabilityModifier> ReadCapability(const JsonValue& json) {
  const auto* text = std::get_if<std::string>(&json.value);
  if (text == nullptr) {
    return Error(Concat("invalid type: ", DescribeJson(json), ", expected a string"));
  }
  std::string_view digits = *text;
  const bool needed = !digits.starts_with('!');
  if (!needed) digits.remove_prefix(1);
  const auto number = ParseNumber(digits);
  if (!number || *number > uint32_t{std::numeric_limits<int>::max()}) {
    return Error(Concat(DescribeJson(json), " is not the number of a capability"));
  }
  return CapabilityModifier{.number = static_cast<int>(*number), .needed = needed};
}

Result<uint32_t> ReadNumber(const ObjectReader& in, std::string_view field) {
  const std::string text = TRY(in.Required<std::string>(field));
  return TRY_CONTEXT(ParseNumber(text), field);
}

template <typename T>
Result<kvm::BitPattern<T>> ReadBits(const ObjectReader& in) {
  const std::string text = TRY(in.Required<std::string>("bitmap"));
  return TRY_CONTEXT(ParseBitPattern<T>(text), "bitmap");
}

Result<CpuidRegisterModifier> ReadRegister(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"register", "bitmap"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return CpuidRegisterModifier{.target = TRY(in.Required("register", kRegisters)),
                               .bits = TRY(ReadBits<uint32_t>(in))};
}

Result<CpuidModifier> ReadCpuid(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"leaf", "subleaf", "flags", "modifiers"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  CpuidModifier modifier;
  modifier.leaf = TRY(ReadNumber(in, "leaf"));
  modifier.subleaf = TRY(ReadNumber(in, "subleaf"));
  modifier.flags = TRY(in.Required<uint32_t>("flags"));
  if (in.FindPart("modifiers") == nullptr) return Error("missing field `modifiers`");
  modifier.registers = TRY(ReadArray(in, "modifiers", ReadRegister));
  return modifier;
}

Result<MsrModifier> ReadMsr(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"addr", "bitmap"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return MsrModifier{.index = TRY(ReadNumber(in, "addr")), .bits = TRY(ReadBits<uint64_t>(in))};
}

Status RefuseAarch64(const ObjectReader& in, std::string_view field) {
  const JsonValue* const part = in.FindPart(field);
  if (part == nullptr) return {};
  const auto* elements = std::get_if<JsonValue::Array>(&part->value);
  if (elements != nullptr && elements->empty()) return {};
  return Error(Concat(field, ": for aarch64 only, which this version does not run on"));
}

std::string HexText(uint32_t number) { return Concat(Hex{number}); }

}  // namespace

Result<CpuConfig> ReadCpuConfig(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"kvm_capabilities", "cpuid_modifiers",
                                                 "msr_modifiers", "reg_modifiers", "vcpu_features"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  CpuConfig cpu;
  cpu.kvm_capabilities = TRY(ReadArray(in, "kvm_capabilities", ReadCapability));
  cpu.modifiers.cpuid = TRY(ReadArray(in, "cpuid_modifiers", ReadCpuid));
  cpu.modifiers.msrs = TRY(ReadArray(in, "msr_modifiers", ReadMsr));
  TRY(RefuseAarch64(in, "reg_modifiers"));
  TRY(RefuseAarch64(in, "vcpu_features"));
  return cpu;
}

void WriteFields(JsonWriter& out, const CpuConfig& cpu) {
  out.BeginArray("kvm_capabilities");
  for (const CapabilityModifier& capability : cpu.kvm_capabilities) {
    out.Element(Concat(capability.needed ? "" : "!", capability.number));
  }
  out.EndArray().BeginArray("cpuid_modifiers");
  for (const CpuidModifier& modifier : cpu.modifiers.cpuid) {
    out.BeginObject()
        .Field("leaf", HexText(modifier.leaf))
        .Field("subleaf", HexText(modifier.subleaf))
        .Field("flags", modifier.flags)
        .BeginArray("modifiers");
    for (const auto& [target, bits] : modifier.registers) {
      out.BeginObject()
          .Field("register", NameOf(kRegisters, target))
          .Field("bitmap", ToText(bits))
          .EndObject();
    }
    out.EndArray().EndObject();
  }
  out.EndArray().BeginArray("msr_modifiers");
  for (const MsrModifier& modifier : cpu.modifiers.msrs) {
    out.BeginObject()
        .Field("addr", HexText(modifier.index))
        .Field("bitmap", ToText(modifier.bits))
        .EndObject();
  }
  out.EndArray();
}

}  // namespace ember::vmm
