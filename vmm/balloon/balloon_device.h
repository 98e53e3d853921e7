#ifndef EMBER_VMM_BALLOON_BALLOON_DEVICE_H_
#define EMBER_VMM_BALLOON_BALLOON_DEVICE_H_

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "virtio/balloon/balloon_device.h"
#include "vmm/balloon/balloon.h"

// What the machine makes of a balloon.
namespace ember::vmm {

Result<std::unique_ptr<virtio::BalloonDevice>> CreateBalloon(
    const BalloonConfig& balloon, std::optional<virtio::BalloonState> state = std::nullopt);

// As BalloonDevice::SetTarget() and SetStatisticsInterval(). While nobody else is in the device.
Status Update(virtio::BalloonDevice& device, const BalloonUpdate& update);
Status Update(virtio::BalloonDevice& device, const BalloonStatisticsUpdate& update);
Status StartHinting(virtio::BalloonDevice& device, const BalloonHintingStart& start);
// What GET /balloon/statistics and GET /balloon/hinting/status answer.
Result<std::string> StatisticsJson(const virtio::BalloonDevice& device);
Result<std::string> HintingJson(const virtio::BalloonDevice& device);

}  // namespace ember::vmm

#endif  // EMBER_VMM_BALLOON_BALLOON_DEVICE_H_
