#include "firmware/acpi/aml.h"

#include <limits>
#include <string>
#include <utility>

#include "base/check.h"
#include "firmware/append_le.h"

namespace ember::firmware::aml {
namespace {

using Bytes = std::vector<std::byte>;

// ACPI 6.4, 20.3. Those of two bytes begin with ExtOpPrefix, the lower one here.
enum class Opcode : uint16_t {
  kZero = 0x00,
  kOne = 0x01,
  kName = 0x08,
  kByte = 0x0a,
  kWord = 0x0b,
  kDword = 0x0c,
  kString = 0x0d,
  kQword = 0x0e,
  kScope = 0x10,
  kBuffer = 0x11,
  kPackage = 0x12,
  kMethod = 0x14,
  kDualName = 0x2e,
  kMultiName = 0x2f,
  kLocal0 = 0x60,
  kArg0 = 0x68,
  kStore = 0x70,
  kAnd = 0x7b,
  kNotify = 0x86,
  kEqual = 0x93,
  kIf = 0xa0,
  kReturn = 0xa4,
  kOperationRegion = 0x805b,
  kField = 0x815b,
  kDevice = 0x825b,
};

constexpr size_t kSegmentBytes = 4;
// What a PkgLength of 1 to 4 bytes can say (20.2.4).
constexpr uint32_t kMaxLength[] = {(1U << 6) - 1, (1U << 12) - 1, (1U << 20) - 1, (1U << 28) - 1};

void Append(Bytes& out, Opcode opcode) {
  const auto code = static_cast<uint16_t>(opcode);
  AppendLe(out, static_cast<uint8_t>(code));
  if (code > std::numeric_limits<uint8_t>::max()) AppendLe(out, static_cast<uint8_t>(code >> 8));
}

// An encoded length in `length_bytes` bytes: the first one has two bits for how many follow and,
// where some do, only four for the number.
void AppendLength(Bytes& out, uint32_t length, unsigned length_bytes) {
  if (length_bytes == 1) {
    AppendLe(out, static_cast<uint8_t>(length));
    return;
  }
  AppendLe(out, static_cast<uint8_t>((length_bytes - 1) << 6 | (length & 0xf)));
  for (unsigned i = 1; i < length_bytes; ++i) {
    AppendLe(out, static_cast<uint8_t>(length >> (8 * i - 4)));
  }
}

// A number of bits in a field list: the encoding of a length, which here does not count itself.
void AppendBitCount(Bytes& out, uint32_t bits) {
  unsigned length_bytes = 1;
  while (length_bytes < std::size(kMaxLength) && bits > kMaxLength[length_bytes - 1]) {
    ++length_bytes;
  }
  EMBER_CHECK(bits <= kMaxLength[length_bytes - 1]);
  AppendLength(out, bits, length_bytes);
}

// The opcode, the length of all that follows it, itself included, and the body.
Bytes Sized(Opcode opcode, const Bytes& body) {
  unsigned length_bytes = 1;
  while (length_bytes < std::size(kMaxLength) &&
         body.size() + length_bytes > kMaxLength[length_bytes - 1]) {
    ++length_bytes;
  }
  EMBER_CHECK(body.size() + length_bytes <= kMaxLength[length_bytes - 1]);
  Bytes out;
  Append(out, opcode);
  AppendLength(out, static_cast<uint32_t>(body.size()) + length_bytes, length_bytes);
  AppendBytes(out, body);
  return out;
}

bool IsLeadNameChar(char letter) { return (letter >= 'A' && letter <= 'Z') || letter == '_'; }
bool IsNameChar(char letter) { return IsLeadNameChar(letter) || (letter >= '0' && letter <= '9'); }

void AppendSegment(Bytes& out, std::string_view segment) {
  EMBER_CHECK(!segment.empty() && segment.size() <= kSegmentBytes && IsLeadNameChar(segment[0]));
  std::string padded(segment);
  padded.resize(kSegmentBytes, '_');
  for (const char letter : padded) {
    EMBER_CHECK(IsNameChar(letter));
    AppendLe(out, static_cast<uint8_t>(letter));
  }
}

// A NameString (20.2.2).
void AppendPath(Bytes& out, std::string_view path) {
  while (!path.empty() && (path[0] == '\\' || path[0] == '^')) {
    AppendLe(out, static_cast<uint8_t>(path[0]));
    path.remove_prefix(1);
  }
  std::vector<std::string_view> segments;
  for (size_t dot = 0; dot != std::string_view::npos;) {
    dot = path.find('.');
    segments.push_back(path.substr(0, dot));
    if (dot != std::string_view::npos) path.remove_prefix(dot + 1);
  }
  EMBER_CHECK(segments.size() <= std::numeric_limits<uint8_t>::max());
  if (segments.size() == 2) Append(out, Opcode::kDualName);
  if (segments.size() > 2) {
    Append(out, Opcode::kMultiName);
    AppendLe(out, static_cast<uint8_t>(segments.size()));
  }
  for (const std::string_view segment : segments) AppendSegment(out, segment);
}

Bytes PathBytes(std::string_view path) {
  Bytes out;
  AppendPath(out, path);
  return out;
}

// The opcode and its operands.
Bytes Operation(Opcode opcode, const Value& first, const Value& second = {}) {
  Bytes out;
  Append(out, opcode);
  AppendBytes(out, first.bytes);
  AppendBytes(out, second.bytes);
  return out;
}

unsigned HexDigit(char letter) {
  if (letter >= '0' && letter <= '9') return static_cast<unsigned>(letter - '0');
  EMBER_CHECK(letter >= 'A' && letter <= 'F');
  return static_cast<unsigned>(letter - 'A') + 10;
}

}  // namespace

Value Integer(uint64_t value) {
  Value out;
  if (value <= 1) {
    Append(out.bytes, value == 0 ? Opcode::kZero : Opcode::kOne);
  } else if (value <= std::numeric_limits<uint8_t>::max()) {
    Append(out.bytes, Opcode::kByte);
    AppendLe(out.bytes, static_cast<uint8_t>(value));
  } else if (value <= std::numeric_limits<uint16_t>::max()) {
    Append(out.bytes, Opcode::kWord);
    AppendLe(out.bytes, static_cast<uint16_t>(value));
  } else if (value <= std::numeric_limits<uint32_t>::max()) {
    Append(out.bytes, Opcode::kDword);
    AppendLe(out.bytes, static_cast<uint32_t>(value));
  } else {
    Append(out.bytes, Opcode::kQword);
    AppendLe(out.bytes, value);
  }
  return out;
}

Value String(std::string_view text) {
  Value out;
  Append(out.bytes, Opcode::kString);
  for (const char letter : text) {
    EMBER_CHECK(letter > 0);
    AppendLe(out.bytes, static_cast<uint8_t>(letter));
  }
  AppendLe(out.bytes, uint8_t{0});
  return out;
}

Value EisaId(std::string_view id) {
  constexpr size_t kLetters = 3;
  constexpr size_t kLength = 7;
  EMBER_CHECK(id.size() == kLength);
  // ACPI 6.4, 19.3.4: five bits a letter, four a digit, and then the bytes swapped.
  uint32_t packed = 0;
  for (const char letter : id.substr(0, kLetters)) {
    EMBER_CHECK(letter >= 'A' && letter <= 'Z');
    packed = packed << 5 | static_cast<uint32_t>(letter - 'A' + 1);
  }
  for (const char digit : id.substr(kLetters)) packed = packed << 4 | HexDigit(digit);
  Value out;
  Append(out.bytes, Opcode::kDword);
  AppendLe(out.bytes, __builtin_bswap32(packed));
  return out;
}

Value Buffer(std::span<const std::byte> bytes) {
  Bytes body = Integer(bytes.size()).bytes;
  AppendBytes(body, bytes);
  return {Sized(Opcode::kBuffer, body)};
}

Value Package(const std::vector<Value>& elements) {
  EMBER_CHECK(elements.size() <= std::numeric_limits<uint8_t>::max());
  Bytes body;
  AppendLe(body, static_cast<uint8_t>(elements.size()));
  for (const Value& element : elements) AppendBytes(body, element.bytes);
  return {Sized(Opcode::kPackage, body)};
}

Target Path(std::string_view path) { return {{PathBytes(path)}}; }

Target Local(unsigned index) {
  EMBER_CHECK(index <= 7);
  Target out;
  AppendLe(out.bytes, static_cast<uint8_t>(static_cast<unsigned>(Opcode::kLocal0) + index));
  return out;
}

Target Arg(unsigned index) {
  EMBER_CHECK(index <= 6);
  Target out;
  AppendLe(out.bytes, static_cast<uint8_t>(static_cast<unsigned>(Opcode::kArg0) + index));
  return out;
}

Value And(const Value& left, const Value& right) {
  Bytes out = Operation(Opcode::kAnd, left, right);
  Append(out, Opcode::kZero);  // the result is stored nowhere else
  return {std::move(out)};
}

Value Equal(const Value& left, const Value& right) {
  return {Operation(Opcode::kEqual, left, right)};
}

Term Scope(std::string_view path, const Terms& terms) {
  Bytes body = PathBytes(path);
  AppendBytes(body, Join(terms));
  return {Sized(Opcode::kScope, body)};
}

Term Device(std::string_view name, const Terms& terms) {
  Bytes body = PathBytes(name);
  AppendBytes(body, Join(terms));
  return {Sized(Opcode::kDevice, body)};
}

Term Name(std::string_view name, const Value& value) {
  return {Operation(Opcode::kName, Path(name), value)};
}

Term Method(std::string_view name, const MethodSignature& signature, const Terms& terms) {
  EMBER_CHECK(signature.argument_count <= 7);
  constexpr unsigned kSerialized = 1U << 3;
  Bytes body = PathBytes(name);
  AppendLe(body, static_cast<uint8_t>(signature.argument_count |
                                      (signature.serialized ? kSerialized : 0)));
  AppendBytes(body, Join(terms));
  return {Sized(Opcode::kMethod, body)};
}

Term OperationRegion(std::string_view name, const Region& region) {
  Bytes out;
  Append(out, Opcode::kOperationRegion);
  AppendPath(out, name);
  AppendLe(out, static_cast<uint8_t>(region.space));
  AppendBytes(out, Integer(region.start).bytes);
  AppendBytes(out, Integer(region.size_bytes).bytes);
  return {std::move(out)};
}

Term Field(std::string_view region, FieldAccess access, const std::vector<FieldUnit>& units) {
  Bytes body = PathBytes(region);
  AppendLe(body, static_cast<uint8_t>(access));
  for (const FieldUnit& unit : units) {
    if (unit.name.empty()) {
      AppendLe(body, uint8_t{0});  // ReservedField
    } else {
      AppendSegment(body, unit.name);
    }
    AppendBitCount(body, unit.bits);
  }
  return {Sized(Opcode::kField, body)};
}

Term If(const Value& condition, const Terms& terms) {
  Bytes body = condition.bytes;
  AppendBytes(body, Join(terms));
  return {Sized(Opcode::kIf, body)};
}

Term Notify(const Target& object, const Value& value) {
  return {Operation(Opcode::kNotify, object, value)};
}

Term Return(const Value& value) { return {Operation(Opcode::kReturn, value)}; }

Term Store(const Value& value, const Target& target) {
  return {Operation(Opcode::kStore, value, target)};
}

std::vector<std::byte> Join(const Terms& terms) {
  Bytes out;
  for (const Term& term : terms) AppendBytes(out, term.bytes);
  return out;
}

}  // namespace ember::firmware::aml
