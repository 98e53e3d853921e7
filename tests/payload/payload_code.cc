#include "tests/payload/payload_code.h"

#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

constexpr uint8_t kRexWide = 0x48;
constexpr uint8_t kOperandSize = 0x66;
constexpr uint8_t kRep = 0xf3;

// Of a pair of opcodes the even one is for 8 bits, the odd one for the other widths.
uint8_t Opcode(Width width, uint8_t for_8_bits) {
  return width == Width::k8 ? for_8_bits : static_cast<uint8_t>(for_8_bits + 1);
}

}  // namespace

PayloadCode& PayloadCode::Append(std::initializer_list<uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes);
  return *this;
}

PayloadCode& PayloadCode::Mov(uint8_t opcode, uint64_t value) {
  Append({kRexWide, opcode});
  for (int shift = 0; shift < 64; shift += 8)
    bytes_.push_back(static_cast<uint8_t>(value >> shift));
  return *this;
}

PayloadCode& PayloadCode::Sized(Width width, std::initializer_list<uint8_t> bytes) {
  if (width == Width::k16) bytes_.push_back(kOperandSize);
  if (width == Width::k64) bytes_.push_back(kRexWide);
  return Append(bytes);
}

PayloadCode& PayloadCode::Out(Width width) { return Sized(width, {Opcode(width, 0xee)}); }
PayloadCode& PayloadCode::In(Width width) { return Sized(width, {Opcode(width, 0xec)}); }
PayloadCode& PayloadCode::RepOuts(Width width) { return Sized(width, {kRep, Opcode(width, 0x6e)}); }
PayloadCode& PayloadCode::RepIns(Width width) { return Sized(width, {kRep, Opcode(width, 0x6c)}); }
PayloadCode& PayloadCode::StoreAtRbx(Width width) {
  return Sized(width, {Opcode(width, 0x88), 0x03});
}
PayloadCode& PayloadCode::LoadFromRbx(Width width) {
  return Sized(width, {Opcode(width, 0x8a), 0x03});
}

PayloadCode& PayloadCode::JumpTo(size_t target) {
  const auto distance = static_cast<int>(target) - static_cast<int>(Here() + 2);
  return Append({0xeb, static_cast<uint8_t>(distance)});
}

PayloadCode& PayloadCode::Finish() {
  MovRdx(PayloadGuest::kDonePort);
  const size_t again = Here();
  return Out(Width::k8).JumpTo(again);
}

}  // namespace ember
