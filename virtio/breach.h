#ifndef EMBER_VIRTIO_BREACH_H_
#define EMBER_VIRTIO_BREACH_H_

#include <cstdint>
#include <string_view>

namespace ember::virtio {

// What a driver did that the specification forbids it. A device that meets one reports it with
// DriverEvents::NeedsReset() and does no more work until the driver resets it.
enum class Breach : uint8_t {
  kAvailableIndexJump,      // more buffers made available than the queue has descriptors
  kHeadOutOfRange,          // a chain's first index is not in the table
  kNextOutOfRange,          // a later one is not
  kChainTooLong,            // more descriptors than the queue has: a loop, or a long table
  kChainTooLarge,           // over 2^32 bytes (virtio 1.2, 2.7.4.2)
  kBufferNotInRam,          // any byte of a buffer, or an end past 2^64
  kReadableAfterWritable,   // virtio 1.2, 2.7.4.2
  kTooManyBuffers,          // buffers over region borders, more pieces than the device stores
  kIndirectNotNegotiated,   // the rest: virtio 1.2, 2.7.5.3.1
  kIndirectNested,          // an indirect table inside an indirect table
  kIndirectWithNext,        // the two flags together
  kIndirectTableBadLength,  // empty, or not a multiple of the descriptor size
  kIndirectTableNotInRam,
  kRequestHeaderTooShort,  // a device's own: less than its header to read
  kRequestNoStatusByte,    // no byte to write the outcome to
  kRequestDataTooShort,    // less data than the header says
  kBufferTooSmall,         // no room for the least that the device has to write
};

// "available index jump" and the like, for logs.
std::string_view BreachName(Breach breach);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BREACH_H_
