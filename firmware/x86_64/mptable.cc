#include "firmware/x86_64/mptable.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "base/endian.h"
#include "firmware/append_le.h"
#include "firmware/x86_64/apic.h"
#include "firmware/x86_64/layout.h"

namespace ember::firmware {
namespace {

using Bytes = std::vector<std::byte>;

// MP specification 1.4, 4.1: the floating pointer structure.
constexpr std::string_view kPointerSignature = "_MP_";
constexpr size_t kPointerBytes = 16;
constexpr size_t kPointerChecksumOffset = 10;
constexpr uint8_t kSpecification14 = 4;

// 4.2: the configuration table's header.
constexpr std::string_view kTableSignature = "PCMP";
constexpr size_t kHeaderBytes = 44;
constexpr size_t kLengthOffset = 4;
constexpr size_t kTableChecksumOffset = 7;
constexpr size_t kEntryCountOffset = 34;
constexpr std::string_view kOemId = "EMBER";
constexpr size_t kOemIdBytes = 8;
constexpr std::string_view kProductId = "MICROVM";
constexpr size_t kProductIdBytes = 12;

// 4.3: entries.
enum class EntryType : uint8_t {
  kProcessor = 0,
  kBus = 1,
  kIoApic = 2,
  kIoInterrupt = 3,
  kLocalInterrupt = 4,
};
constexpr size_t kProcessorBytes = 20;

constexpr uint8_t kEnabled = 1U << 0;
constexpr uint8_t kBootProcessor = 1U << 1;
// For information; kernels ask CPUID. Family 6; a built-in APIC, CMPXCHG8B, an FPU.
constexpr uint32_t kSignature = 0x600;
constexpr uint32_t kFeatures = 1U << 9 | 1U << 8 | 1U << 0;
// As KVM's registers have them.
constexpr uint8_t kLocalApicVersion = 0x14;
constexpr uint8_t kIoApicVersion = 0x11;

constexpr uint8_t kIsaBus = 0;
constexpr std::string_view kIsaBusName = "ISA";
constexpr size_t kBusNameBytes = 6;

enum class InterruptType : uint8_t { kInterrupt = 0, kNmi = 1, kExternal = 3 };
constexpr uint16_t kBusDefault = 0;
constexpr uint16_t kActiveHighEdge = 1U << 0 | 1U << 2;
constexpr uint8_t kAllLocalApics = 0xff;
// The input by which the second 8259 is connected to the first: no device has it.
constexpr uint32_t kCascadeIrq = 2;

// The table, entry by entry.
class ConfigurationTable {
 public:
  ConfigurationTable() {
    AppendText(bytes_, kTableSignature, kTableSignature.size());
    AppendLe(bytes_, uint16_t{0});  // length
    AppendLe(bytes_, kSpecification14);
    AppendLe(bytes_, uint8_t{0});  // checksum
    AppendText(bytes_, kOemId, kOemIdBytes);
    AppendText(bytes_, kProductId, kProductIdBytes);
    AppendLe(bytes_, uint32_t{0});  // no OEM table
    AppendLe(bytes_, uint16_t{0});
    AppendLe(bytes_, uint16_t{0});  // entry count
    AppendLe(bytes_, static_cast<uint32_t>(ToInteger(x86_64::kLocalApic.start)));
    AppendLe(bytes_, uint32_t{0});  // no extended table
    EMBER_CHECK(bytes_.size() == kHeaderBytes);
  }

  void AddProcessor(uint8_t apic_id, uint8_t flags) {
    const size_t start = bytes_.size();
    Begin(EntryType::kProcessor);
    AppendLe(bytes_, apic_id);
    AppendLe(bytes_, kLocalApicVersion);
    AppendLe(bytes_, flags);
    AppendLe(bytes_, kSignature);
    AppendLe(bytes_, kFeatures);
    bytes_.resize(start + kProcessorBytes);
  }
  void AddIsaBus() {
    Begin(EntryType::kBus);
    AppendLe(bytes_, kIsaBus);
    AppendText(bytes_, kIsaBusName, kBusNameBytes);
  }
  void AddIoApic(uint8_t id) {
    Begin(EntryType::kIoApic);
    AppendLe(bytes_, id);
    AppendLe(bytes_, kIoApicVersion);
    AppendLe(bytes_, kEnabled);
    AppendLe(bytes_, static_cast<uint32_t>(ToInteger(x86_64::kIoApic.start)));
  }
  // The interrupt's number on the bus is the pin's.
  void AddIoInterrupt(uint8_t io_apic_id, uint8_t irq) {
    Begin(EntryType::kIoInterrupt);
    AppendLe(bytes_, static_cast<uint8_t>(InterruptType::kInterrupt));
    AppendLe(bytes_, kActiveHighEdge);
    AppendLe(bytes_, kIsaBus);
    AppendLe(bytes_, irq);
    AppendLe(bytes_, io_apic_id);
    AppendLe(bytes_, irq);
  }
  void AddLocalInterrupt(InterruptType type, uint8_t pin) {
    Begin(EntryType::kLocalInterrupt);
    AppendLe(bytes_, static_cast<uint8_t>(type));
    AppendLe(bytes_, kBusDefault);
    AppendLe(bytes_, kIsaBus);
    AppendLe(bytes_, uint8_t{0});
    AppendLe(bytes_, kAllLocalApics);
    AppendLe(bytes_, pin);
  }

  size_t size_bytes() const { return bytes_.size(); }

  Bytes Finish() && {
    const std::span<std::byte> out(bytes_);
    StoreLe(static_cast<uint16_t>(bytes_.size()), out.subspan(kLengthOffset));
    StoreLe(entry_count_, out.subspan(kEntryCountOffset));
    StoreLe(ChecksumOf(out), out.subspan(kTableChecksumOffset));
    return std::move(bytes_);
  }

 private:
  void Begin(EntryType type) {
    AppendLe(bytes_, static_cast<uint8_t>(type));
    ++entry_count_;
  }

  Bytes bytes_;
  uint16_t entry_count_ = 0;
};

Bytes FloatingPointer(GuestAddress table) {
  Bytes out;
  AppendText(out, kPointerSignature, kPointerSignature.size());
  AppendLe(out, static_cast<uint32_t>(ToInteger(table)));
  AppendLe(out, uint8_t{1});  // its length in 16 bytes
  AppendLe(out, kSpecification14);
  // Checksum; then the features: a table is there, and no mode register hides the APICs.
  out.resize(kPointerBytes);
  StoreLe(ChecksumOf(out), std::span(out).subspan(kPointerChecksumOffset));
  return out;
}

Status CheckProcessors(std::span<const uint32_t> apic_ids) {
  for (const uint32_t id : apic_ids) {
    if (id >= x86_64::kFirstWideApicId) {
      return Error(Concat("MP table: the local APIC id ", id, " exceeds the limit ",
                          x86_64::kFirstWideApicId - 1));
    }
  }
  return {};
}

}  // namespace

Status WriteMpTable(const GuestMemory& memory, const Platform& platform) {
  TRY(CheckProcessors(platform.apic_ids));
  ConfigurationTable table;
  uint8_t flags = kEnabled | kBootProcessor;
  for (const uint32_t id : platform.apic_ids) {
    table.AddProcessor(static_cast<uint8_t>(id), flags);
    flags = kEnabled;
  }
  table.AddIsaBus();
  const uint8_t io_apic_id = x86_64::IoApicId(platform.apic_ids);
  table.AddIoApic(io_apic_id);
  // Pins past 15 are not ISA's, but a kernel takes them from here and no other bus is simpler.
  for (uint8_t pin = 0; pin < x86_64::kIoApicPins; ++pin) {
    if (pin != kCascadeIrq) table.AddIoInterrupt(io_apic_id, pin);
  }
  table.AddLocalInterrupt(InterruptType::kExternal, 0);
  table.AddLocalInterrupt(InterruptType::kNmi, 1);

  constexpr GuestRange kArea = x86_64::kMpTableArea;
  const uint64_t size_bytes = kPointerBytes + table.size_bytes();
  if (size_bytes > kArea.size_bytes) {
    return Error(Concat("MP table: ", platform.apic_ids.size(), " processors need ", size_bytes,
                        " bytes, more than the ", kArea.size_bytes, " at ", kArea.start));
  }
  const GuestAddress table_address = kArea.start + kPointerBytes;
  TRY_CONTEXT(memory.WriteBytes(table_address, std::move(table).Finish()), "MP table");
  TRY_CONTEXT(memory.WriteBytes(kArea.start, FloatingPointer(table_address)), "MP table");
  return {};
}

std::vector<std::string> VirtioMmioWords(const Platform& platform) {
  constexpr uint64_t kKibibyte = 1024;
  std::vector<std::string> words;
  for (const MmioDevice& device : platform.virtio_mmio) {
    const uint64_t size_bytes = device.range.size_bytes;
    const std::string size =
        size_bytes % kKibibyte == 0 ? Concat(size_bytes / kKibibyte, "K") : Concat(size_bytes);
    words.push_back(Concat("virtio_mmio.device=", size, "@", device.range.start, ":",
                           static_cast<uint32_t>(device.gsi)));
  }
  return words;
}

}  // namespace ember::firmware
