#include "vmm/entropy/entropy_device.h"

namespace ember::vmm {

Result<std::unique_ptr<virtio::RngDevice>> CreateEntropy(const EntropyConfig& entropy) {
  return virtio::RngDevice::Create(virtio::CreateHostEntropySource(),
                                   {.rate_limiter = ToOptions(entropy.rate_limiter)});
}

}  // namespace ember::vmm
