#include "firmware/acpi/aml_resources.h"

#include <utility>

#include "firmware/append_le.h"

namespace ember::firmware::aml {
namespace {

using Bytes = std::vector<std::byte>;

// First bytes of descriptors (ACPI 6.4, tables 6.28 and 6.41). The small ones hold their length.
constexpr uint8_t kIoPortsTag = 0x47;
constexpr uint8_t kEndTag = 0x79;
constexpr uint8_t kMemory32FixedTag = 0x86;
constexpr uint8_t kExtendedInterruptTag = 0x89;

constexpr uint8_t kDecode16Bits = 1;
constexpr uint8_t kConsumer = 1U << 0;
constexpr uint8_t kEdgeTriggered = 1U << 1;

}  // namespace

Resource Memory32Fixed(uint32_t base, uint32_t size_bytes, MemoryUse use) {
  Bytes out;
  AppendLe(out, kMemory32FixedTag);
  AppendLe(out, uint16_t{9});  // bytes that follow
  AppendLe(out, static_cast<uint8_t>(use));
  AppendLe(out, base);
  AppendLe(out, size_bytes);
  return {std::move(out)};
}

Resource IoPorts(uint16_t base, uint8_t count) {
  Bytes out;
  AppendLe(out, kIoPortsTag);
  AppendLe(out, kDecode16Bits);
  AppendLe(out, base);  // the lowest and the highest possible start
  AppendLe(out, base);
  AppendLe(out, uint8_t{1});  // alignment
  AppendLe(out, count);
  return {std::move(out)};
}

Resource EdgeInterrupt(Gsi gsi) {
  Bytes out;
  AppendLe(out, kExtendedInterruptTag);
  AppendLe(out, uint16_t{6});  // bytes that follow
  AppendLe(out, static_cast<uint8_t>(kConsumer | kEdgeTriggered));
  AppendLe(out, uint8_t{1});  // interrupts in the list
  AppendLe(out, static_cast<uint32_t>(gsi));
  return {std::move(out)};
}

Value ResourceTemplate(const std::vector<Resource>& resources) {
  Bytes bytes;
  for (const Resource& resource : resources) AppendBytes(bytes, resource.bytes);
  AppendLe(bytes, kEndTag);
  AppendLe(bytes, uint8_t{0});  // no checksum
  return Buffer(bytes);
}

}  // namespace ember::firmware::aml
