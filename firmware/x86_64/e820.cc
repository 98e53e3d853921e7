#include "firmware/x86_64/e820.h"

#include "base/check.h"
#include "firmware/x86_64/layout.h"

namespace ember::firmware::x86_64 {

std::vector<MemoryMapEntry> BuildMemoryMap(const GuestMemory& memory) {
  const GuestRange low = memory.regions().front().range;
  EMBER_CHECK(low.start == GuestAddress{0} && low.end() > kKernelStart);
  std::vector<MemoryMapEntry> map{
      {{GuestAddress{0}, ToInteger(kMpTableArea.start)}, MemoryType::kRam},
      {kMpTableArea, MemoryType::kReserved},
      {{kAcpiArea.start, ToInteger(kKernelStart) - ToInteger(kAcpiArea.start)},
       MemoryType::kReserved},
      {{kKernelStart, low.size_bytes - ToInteger(kKernelStart)}, MemoryType::kRam},
  };
  for (const GuestMemory::Region& region : memory.regions().subspan(1)) {
    map.push_back({region.range, MemoryType::kRam});
  }
  return map;
}

}  // namespace ember::firmware::x86_64
