#include "firmware/acpi/tables.h"

#include "base/check.h"
#include "base/endian.h"
#include "firmware/append_le.h"

namespace ember::firmware::acpi {
namespace {

constexpr size_t kChecksumOffset = 9;
constexpr std::string_view kOemId = "EMBER";
constexpr std::string_view kOemTableId = "EMBERVM";
constexpr uint32_t kOemRevision = 1;
constexpr std::string_view kCreatorId = "EMBR";
constexpr uint32_t kCreatorRevision = 1;

constexpr size_t kOemIdBytes = 6;
constexpr size_t kOemTableIdBytes = 8;
constexpr size_t kSignatureBytes = 4;

// The root pointer (ACPI 6.4, 5.2.5.3). Its first checksum is over what revision 0 had.
constexpr std::string_view kRootPointerSignature = "RSD PTR ";
constexpr uint8_t kRootPointerRevision = 2;
constexpr uint32_t kRootPointerBytes = 36;
constexpr size_t kRevision0Bytes = 20;
constexpr size_t kRevision0ChecksumOffset = 8;
constexpr size_t kExtendedChecksumOffset = 32;

constexpr uint8_t kXsdtRevision = 1;

}  // namespace

std::vector<std::byte> Table(const TableId& id, std::span<const std::byte> body) {
  EMBER_CHECK(id.signature.size() == kSignatureBytes);
  std::vector<std::byte> out;
  AppendText(out, id.signature, kSignatureBytes);
  AppendLe(out, static_cast<uint32_t>(kTableHeaderBytes + body.size()));
  AppendLe(out, id.revision);
  AppendLe(out, uint8_t{0});  // checksum
  AppendText(out, kOemId, kOemIdBytes);
  AppendText(out, kOemTableId, kOemTableIdBytes);
  AppendLe(out, kOemRevision);
  AppendText(out, kCreatorId, kSignatureBytes);
  AppendLe(out, kCreatorRevision);
  EMBER_CHECK(out.size() == kTableHeaderBytes);
  AppendBytes(out, body);
  StoreLe(ChecksumOf(out), std::span(out).subspan(kChecksumOffset));
  return out;
}

std::vector<std::byte> Xsdt(std::span<const GuestAddress> tables) {
  std::vector<std::byte> body;
  for (const GuestAddress table : tables) AppendLe(body, ToInteger(table));
  return Table({.signature = "XSDT", .revision = kXsdtRevision}, body);
}

std::vector<std::byte> RootPointer(GuestAddress xsdt) {
  std::vector<std::byte> out;
  AppendText(out, kRootPointerSignature, kRootPointerSignature.size());
  AppendLe(out, uint8_t{0});  // checksum
  AppendText(out, kOemId, kOemIdBytes);
  AppendLe(out, kRootPointerRevision);
  AppendLe(out, uint32_t{0});  // no RSDT
  AppendLe(out, kRootPointerBytes);
  AppendLe(out, ToInteger(xsdt));
  out.resize(kRootPointerBytes);  // extended checksum, reserved
  const std::span<std::byte> bytes(out);
  StoreLe(ChecksumOf(bytes.first(kRevision0Bytes)), bytes.subspan(kRevision0ChecksumOffset));
  StoreLe(ChecksumOf(bytes), bytes.subspan(kExtendedChecksumOffset));
  return out;
}

}  // namespace ember::firmware::acpi
