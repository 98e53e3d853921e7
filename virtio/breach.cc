#include "virtio/breach.h"

namespace ember::virtio {

std::string_view BreachName(Breach breach) {
  switch (breach) {
    case Breach::kAvailableIndexJump:
      return "available index jump";
    case Breach::kHeadOutOfRange:
      return "head index out of range";
    case Breach::kNextOutOfRange:
      return "next index out of range";
    case Breach::kChainTooLong:
      return "more descriptors in a chain than in the queue";
    case Breach::kChainTooLarge:
      return "more than 2^32 bytes in a chain";
    case Breach::kBufferNotInRam:
      return "buffer not in RAM";
    case Breach::kReadableAfterWritable:
      return "readable buffer after a writable one";
    case Breach::kTooManyBuffers:
      return "more pieces of buffers than the device stores";
    case Breach::kIndirectNotNegotiated:
      return "indirect descriptor without the feature";
    case Breach::kIndirectNested:
      return "indirect descriptor in an indirect table";
    case Breach::kIndirectWithNext:
      return "indirect descriptor with a next one";
    case Breach::kIndirectTableBadLength:
      return "indirect table of no whole number of descriptors";
    case Breach::kIndirectTableNotInRam:
      return "indirect table not in RAM";
    case Breach::kRequestHeaderTooShort:
      return "request shorter than its header";
    case Breach::kRequestNoStatusByte:
      return "request without a byte for its status";
    case Breach::kRequestDataTooShort:
      return "request with less data than its header says";
    case Breach::kBufferTooSmall:
      return "buffer too small for what the device writes";
  }
  return "unknown";
}

}  // namespace ember::virtio
