#ifndef EMBER_FIRMWARE_ACPI_AML_H_
#define EMBER_FIRMWARE_ACPI_AML_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// ACPI machine language (ACPI 6.4, 20.2), written as one would write ASL:
//
//   aml::Device("COM1", {aml::Name("_HID", aml::EisaId("PNP0501")),
//                        aml::Name("_UID", aml::Integer(0))})
//
// Each function returns finished bytes; the type says where they may stand. Names and numbers come
// from our own code: those that AML cannot express abort. Pure functions; any thread.
namespace ember::firmware::aml {

// What can be an operand or an object's contents.
struct Value {
  std::vector<std::byte> bytes;
};

// A value that has a place: it can be stored to, or be notified.
struct Target : Value {};

// A definition or a statement: what lists in braces are made of.
struct Term {
  std::vector<std::byte> bytes;
};
using Terms = std::vector<Term>;

// Data.
Value Integer(uint64_t value);
Value String(std::string_view text);  // ASCII without zeros
Value EisaId(std::string_view id);    // "PNP0501": three capitals, four hexadecimal digits
Value Buffer(std::span<const std::byte> bytes);
Value Package(const std::vector<Value>& elements);  // up to 255

// Places. A path is "NAME", "NAM.NAME", "^NAME", "\_SB.NAME"…: segments shorter than four
// characters are filled with '_'.
Target Path(std::string_view path);
Target Local(unsigned index);  // 0 to 7
Target Arg(unsigned index);    // 0 to 6

// Operators.
Value And(const Value& left, const Value& right);
Value Equal(const Value& left, const Value& right);

// Definitions.
Term Scope(std::string_view path, const Terms& terms);
Term Device(std::string_view name, const Terms& terms);
Term Name(std::string_view name, const Value& value);

struct MethodSignature {
  unsigned argument_count = 0;  // 0 to 7
  bool serialized = false;      // one caller at a time; a must where the method defines names
};
Term Method(std::string_view name, const MethodSignature& signature, const Terms& terms);

enum class RegionSpace : uint8_t { kSystemMemory = 0, kSystemIo = 1 };
struct Region {
  RegionSpace space{};
  uint64_t start = 0;
  uint64_t size_bytes = 0;
};
Term OperationRegion(std::string_view name, const Region& region);

enum class FieldAccess : uint8_t { kByte = 1, kWord = 2, kDword = 3, kQword = 4 };
struct FieldUnit {
  std::string_view name;  // empty: these bits are skipped
  uint32_t bits = 0;
};
// Not locked; what a write does not cover is preserved.
Term Field(std::string_view region, FieldAccess access, const std::vector<FieldUnit>& units);

// Statements.
Term If(const Value& condition, const Terms& terms);
Term Notify(const Target& object, const Value& value);
Term Return(const Value& value);
Term Store(const Value& value, const Target& target);

// All terms one after the other: the contents of a definition block.
std::vector<std::byte> Join(const Terms& terms);

}  // namespace ember::firmware::aml

#endif  // EMBER_FIRMWARE_ACPI_AML_H_
