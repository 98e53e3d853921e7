#ifndef EMBER_TESTS_PAYLOAD_PAYLOAD_CODE_H_
#define EMBER_TESTS_PAYLOAD_PAYLOAD_CODE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace ember {

enum class Width { k8, k16, k32, k64 };

constexpr size_t Bytes(Width width) { return size_t{1} << static_cast<int>(width); }

// A few instructions of 64-bit x86, put together by name. Each method appends one.
//
//   PayloadCode code;
//   code.MovRdx(0x3f8).MovRax('A').Out(Width::k8).Finish();
class PayloadCode {
 public:
  // Register = immediate.
  PayloadCode& MovRax(uint64_t value) { return Mov(0xb8, value); }
  PayloadCode& MovRbx(uint64_t value) { return Mov(0xbb, value); }
  PayloadCode& MovRcx(uint64_t value) { return Mov(0xb9, value); }
  PayloadCode& MovRdx(uint64_t value) { return Mov(0xba, value); }
  PayloadCode& MovRsi(uint64_t value) { return Mov(0xbe, value); }
  PayloadCode& MovRdi(uint64_t value) { return Mov(0xbf, value); }

  // Port DX from, or to, the low part of RAX.
  PayloadCode& Out(Width width);
  PayloadCode& In(Width width);
  // RCX elements from RSI to port DX, or from the port to RDI.
  PayloadCode& RepOuts(Width width);
  PayloadCode& RepIns(Width width);
  // Memory at RBX from, or to, the low part of RAX.
  PayloadCode& StoreAtRbx(Width width);
  PayloadCode& LoadFromRbx(Width width);
  PayloadCode& IncrementAtRbx() { return Append({0x48, 0xff, 0x03}); }

  // EAX to EDX of the CPUID leaf in EAX and subleaf in ECX, stored at RSI, 16 bytes.
  PayloadCode& StoreCpuid() {
    return Append({0x0f, 0xa2, 0x89, 0x06, 0x89, 0x5e, 0x04, 0x89, 0x4e, 0x08, 0x89, 0x56, 0x0c});
  }
  // The model-specific register ECX, stored at RSI.
  PayloadCode& StoreMsr() { return Append({0x0f, 0x32, 0x89, 0x06, 0x89, 0x56, 0x04}); }

  PayloadCode& Hlt() { return Append({0xf4}); }
  PayloadCode& Sti() { return Append({0xfb}); }
  PayloadCode& Ud2() { return Append({0x0f, 0x0b}); }
  PayloadCode& Append(std::initializer_list<uint8_t> bytes);

  // Where the next instruction goes, for JumpTo(); up to 126 bytes back.
  size_t Here() const { return bytes_.size(); }
  PayloadCode& JumpTo(size_t target);
  // Writes AL to PayloadGuest::kDonePort, again and again.
  PayloadCode& Finish();

  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

 private:
  PayloadCode& Mov(uint8_t opcode, uint64_t value);
  // With the prefix that the width asks for; opcode for 8 bits, and one more for the others.
  PayloadCode& Sized(Width width, std::initializer_list<uint8_t> bytes);

  std::vector<uint8_t> bytes_;
};

}  // namespace ember

#endif  // EMBER_TESTS_PAYLOAD_PAYLOAD_CODE_H_
