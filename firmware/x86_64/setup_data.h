#ifndef EMBER_FIRMWARE_X86_64_SETUP_DATA_H_
#define EMBER_FIRMWARE_X86_64_SETUP_DATA_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware::x86_64 {

// One node of the list that the zero page's setup_data begins.
struct SetupDataNode {
  uint32_t type = 0;  // SETUP_… of <asm/bootparam.h>
  std::span<const std::byte> data;
};

// Writes the nodes one after the other into layout.h's kSetupDataArea, each on a page of its own,
// and returns the first one's address: 0 for none. The error names the length that does not fit.
Result<GuestAddress> WriteSetupData(const GuestMemory& memory,
                                    std::span<const SetupDataNode> nodes);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_SETUP_DATA_H_
