#include "firmware/x86_64/acpi_madt.h"

#include "firmware/acpi/tables.h"
#include "firmware/append_le.h"
#include "firmware/x86_64/apic.h"

namespace ember::firmware::x86_64 {
namespace {

using Bytes = std::vector<std::byte>;

constexpr uint8_t kRevision = 5;          // of ACPI 6.3 and 6.4
constexpr uint32_t kDual8259Present = 1;  // PCAT_COMPAT
constexpr uint32_t kEnabled = 1;
constexpr uint16_t kBusDefault = 0;  // polarity and trigger mode as the bus has them
constexpr uint8_t kLint1 = 1;
constexpr uint8_t kAllProcessors = 0xff;
constexpr uint32_t kAllProcessorsWide = 0xffff'ffff;

// Types and lengths of structures (ACPI 6.4, 5.2.12.2 to 5.2.12.13).
struct Structure {
  uint8_t type = 0;
  uint8_t size_bytes = 0;
};
constexpr Structure kLocalApicStructure{0, 8};
constexpr Structure kIoApicStructure{1, 12};
constexpr Structure kLocalApicNmi{4, 6};
constexpr Structure kLocalX2Apic{9, 16};
constexpr Structure kLocalX2ApicNmi{10, 12};

void Begin(Bytes& out, const Structure& structure) {
  AppendLe(out, structure.type);
  AppendLe(out, structure.size_bytes);
}

// The old structure has a byte for the UID, too.
bool IsWide(uint32_t uid, uint32_t apic_id) {
  return uid >= kFirstWideApicId || apic_id >= kFirstWideApicId;
}

void AppendProcessor(Bytes& out, uint32_t uid, uint32_t apic_id) {
  if (IsWide(uid, apic_id)) {
    Begin(out, kLocalX2Apic);
    AppendLe(out, uint16_t{0});
    AppendLe(out, apic_id);
    AppendLe(out, kEnabled);
    AppendLe(out, uid);
    return;
  }
  Begin(out, kLocalApicStructure);
  AppendLe(out, static_cast<uint8_t>(uid));
  AppendLe(out, static_cast<uint8_t>(apic_id));
  AppendLe(out, kEnabled);
}

void AppendIoApic(Bytes& out, uint8_t id) {
  Begin(out, kIoApicStructure);
  AppendLe(out, id);
  AppendLe(out, uint8_t{0});
  AppendLe(out, static_cast<uint32_t>(ToInteger(kIoApic.start)));
  AppendLe(out, uint32_t{0});  // the GSI of its first pin
}

void AppendNmi(Bytes& out) {
  Begin(out, kLocalApicNmi);
  AppendLe(out, kAllProcessors);
  AppendLe(out, kBusDefault);
  AppendLe(out, kLint1);
}

void AppendWideNmi(Bytes& out) {
  Begin(out, kLocalX2ApicNmi);
  AppendLe(out, kBusDefault);
  AppendLe(out, kAllProcessorsWide);
  AppendLe(out, kLint1);
  AppendLe(out, uint8_t{0});
  AppendLe(out, uint16_t{0});
}

}  // namespace

// There are no interrupt source overrides: ISA interrupts 0 to 15 are GSIs 0 to 15, edge-triggered
// and active-high, which is what a system without overrides has (ACPI 6.4, 5.2.12.5).
std::vector<std::byte> Madt(std::span<const uint32_t> apic_ids) {
  Bytes body;
  AppendLe(body, static_cast<uint32_t>(ToInteger(kLocalApic.start)));
  AppendLe(body, kDual8259Present);
  bool has_wide = false;
  for (uint32_t uid = 0; uid < apic_ids.size(); ++uid) {
    AppendProcessor(body, uid, apic_ids[uid]);
    has_wide = has_wide || IsWide(uid, apic_ids[uid]);
  }
  AppendIoApic(body, IoApicId(apic_ids));
  AppendNmi(body);
  if (has_wide) AppendWideNmi(body);
  return acpi::Table({.signature = "APIC", .revision = kRevision}, body);
}

}  // namespace ember::firmware::x86_64
