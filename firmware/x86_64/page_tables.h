#ifndef EMBER_FIRMWARE_X86_64_PAGE_TABLES_H_
#define EMBER_FIRMWARE_X86_64_PAGE_TABLES_H_

#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware::x86_64 {

// Writes tables at layout.h's kPageTables that map the first 4 GiB to themselves, writable, by
// pages of 2 MiB (Intel SDM vol. 3, 4.5: 4-level paging). Returns the root, for CR3.
Result<GuestAddress> WriteIdentityPageTables(const GuestMemory& memory);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_PAGE_TABLES_H_
