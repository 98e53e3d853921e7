// What clients ask of the balloon of a machine that runs.
#include "vmm/balloon/balloon_device.h"
#include "vmm/device_set.h"

namespace ember::vmm {

Result<Reply> DeviceSet::Do(const PatchBalloon& action, VmConfig& config) {
  if (!balloon_) return NoBalloon();
  TRY(CheckBalloonFits(action.update.amount_mib, config.machine.mem_size_mib));
  TRY(balloon_->attachment->WithDevice([&] { return Update(*balloon_->device, action.update); }));
  config.balloon->amount_mib = action.update.amount_mib;
  return Reply{};
}

Result<Reply> DeviceSet::Do(const PatchBalloonStatistics& action, VmConfig& config) {
  if (!balloon_) return NoBalloon();
  TRY(balloon_->attachment->WithDevice([&] { return Update(*balloon_->device, action.update); }));
  config.balloon->stats_polling_interval_s = action.update.stats_polling_interval_s;
  return Reply{};
}

Result<Reply> DeviceSet::Do(const GetBalloonStatistics& /*action*/, VmConfig& /*config*/) {
  if (!balloon_) return NoBalloon();
  return Reply{.json = TRY(balloon_->attachment->WithDevice(
                   [&] { return StatisticsJson(*balloon_->device); }))};
}

Result<Reply> DeviceSet::Do(const StartBalloonHinting& action, VmConfig& /*config*/) {
  if (!balloon_) return NoBalloon();
  TRY(balloon_->attachment->WithDevice(
      [&] { return StartHinting(*balloon_->device, action.start); }));
  return Reply{};
}

Result<Reply> DeviceSet::Do(const StopBalloonHinting& /*action*/, VmConfig& /*config*/) {
  if (!balloon_) return NoBalloon();
  TRY(balloon_->attachment->WithDevice([&] { return balloon_->device->StopHinting(); }));
  return Reply{};
}

Result<Reply> DeviceSet::Do(const GetBalloonHinting& /*action*/, VmConfig& /*config*/) {
  if (!balloon_) return NoBalloon();
  return Reply{.json = TRY(balloon_->attachment->WithDevice(
                   [&] { return HintingJson(*balloon_->device); }))};
}

}  // namespace ember::vmm
