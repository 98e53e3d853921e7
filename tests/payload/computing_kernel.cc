#include "tests/payload/computing_kernel.h"

#include <cstddef>
#include <span>
#include <vector>

#include "base/endian.h"
#include "tests/payload/payload_kernel.h"

namespace ember {
namespace {

constexpr uint32_t kSeed = 0x1234'5679;
constexpr uint32_t kFactor = 0x5851'f42d;
constexpr uint32_t kTableWords = 0x1'0000;

std::string Number(uint32_t value) {
  std::string bytes(sizeof(value), '\0');
  StoreLe(value, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

}  // namespace

std::string ComputingCode(uint32_t rounds) {
  std::string code;
  code += "\xb8" + Number(kSeed);      // mov eax, kSeed
  code += "\xb9" + Number(rounds);     // mov ecx, rounds
  code += "\xbf" + Number(0x40'0000);  // mov edi, the table
  const size_t round = code.size();
  code += "\x69\xc0" + Number(kFactor);          // imul eax, eax, kFactor
  code += "\x01\xc8\x89\xcb";                    // add eax, ecx; mov ebx, ecx
  code += "\x81\xe3" + Number(kTableWords - 1);  // and ebx, kTableWords - 1
  code += "\x31\x04\x9f\x49";                    // xor [edi + 4 * ebx], eax; dec ecx
  code += "\x75";                                // jnz round
  code += static_cast<char>(round - code.size() - 1);
  code += "\xb9" + Number(kTableWords);  // mov ecx, kTableWords
  const size_t word = code.size();
  code += "\x03\x44\x8f\xfc\x49";  // add eax, [edi + 4 * ecx - 4]; dec ecx
  code += "\x75";                  // jnz word
  code += static_cast<char>(word - code.size() - 1);
  code += "\x66\xba\xf8\x03";                              // mov dx, 0x3f8
  for (int i = 0; i < 4; ++i) code += "\xee\xc1\xe8\x08";  // out dx, al; shr eax, 8
  return code + ResetCode();
}

std::string Computed(uint32_t rounds) {
  std::vector<uint32_t> table(kTableWords);
  uint32_t value = kSeed;
  for (uint32_t left = rounds; left > 0; --left) {
    value = value * kFactor + left;
    table[left % kTableWords] ^= value;
  }
  for (const uint32_t word : table) value += word;
  return Number(value);
}

}  // namespace ember
