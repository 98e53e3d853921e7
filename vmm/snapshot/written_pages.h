#ifndef EMBER_VMM_SNAPSHOT_WRITTEN_PAGES_H_
#define EMBER_VMM_SNAPSHOT_WRITTEN_PAGES_H_

#include "base/result.h"
#include "kvm/vm.h"
#include "memory/guest_memory.h"
#include "snapshot/memory_file.h"

// What a diff holds: the pages that the guest and the devices have written since the last snapshot.
// Of a machine that tracks dirty pages and is paused, its devices at rest. Any thread.
namespace ember::vmm {

// Those since the last call, or since the machine was made; from now on they count as not written.
// After an error some are lost, and the next snapshot must be a full one.
Result<snapshot::PageBits> TakeWrittenPages(const GuestMemory& memory, kvm::Vm& vm);

// Has them count as written again: the snapshot that they were taken for came to nothing.
void PutBackWrittenPages(const GuestMemory& memory, const snapshot::PageBits& pages);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_WRITTEN_PAGES_H_
