#ifndef EMBER_VIRTIO_PMEM_PMEM_STORE_H_
#define EMBER_VIRTIO_PMEM_PMEM_STORE_H_

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace ember::virtio {

// What persistent memory is made of. The guest reads and writes it without the device.
class PmemStore {
 public:
  virtual ~PmemStore() = default;
  // What the guest sees: a multiple of 2 MiB. Any thread.
  virtual uint64_t size_bytes() const = 0;
  // How much of that is kept; what the guest writes behind it is lost. Any thread.
  virtual uint64_t kept_bytes() const = 0;
  virtual Access access() const = 0;
  // Returns when all that the guest wrote before will outlive a loss of power; may take as long as
  // the host's disk likes. One thread at a time.
  virtual Status Flush() = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_PMEM_PMEM_STORE_H_
