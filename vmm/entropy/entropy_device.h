#ifndef EMBER_VMM_ENTROPY_ENTROPY_DEVICE_H_
#define EMBER_VMM_ENTROPY_ENTROPY_DEVICE_H_

#include <memory>

#include "base/result.h"
#include "virtio/rng/rng_device.h"
#include "vmm/entropy/entropy.h"

namespace ember::vmm {

Result<std::unique_ptr<virtio::RngDevice>> CreateEntropy(const EntropyConfig& entropy);

}  // namespace ember::vmm

#endif  // EMBER_VMM_ENTROPY_ENTROPY_DEVICE_H_
