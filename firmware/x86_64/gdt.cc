#include "firmware/x86_64/gdt.h"

#include <array>

#include "firmware/x86_64/layout.h"

namespace ember::firmware::x86_64 {
namespace {

// Intel SDM vol. 3, 3.4.5: base 0, limit 4 GiB, present, ring 0, accessed; code is executable,
// readable and long, data is writable.
constexpr uint64_t kCode = 0x00af'9b00'0000'ffff;
constexpr uint64_t kData = 0x00cf'9300'0000'ffff;

constexpr std::array<uint64_t, 4> kTable{0, 0, kCode, kData};
static_assert(sizeof(kTable) == kGdtLimit + 1);

}  // namespace

Status WriteGdt(const GuestMemory& memory) { return memory.Write(kGdt, kTable); }

}  // namespace ember::firmware::x86_64
