#include "vmm/balloon/balloon_device.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "virtio/balloon/page_runs.h"
#include "vmm/config_json_writer.h"

namespace ember::vmm {
namespace {

using virtio::BalloonDevice;

constexpr uint32_t kPagesPerMib = (uint32_t{1} << 20) / virtio::kBalloonPageBytes;

// The contract's names of the statistics, by their tags.
constexpr std::string_view kStatisticNames[virtio::kBalloonStatisticCount] = {
    "swap_in",       "swap_out",         "major_faults", "minor_faults",        "free_memory",
    "total_memory",  "available_memory", "disk_caches",  "hugetlb_allocations", "hugetlb_failures",
    "oom_kill",      "alloc_stall",      "async_scan",   "direct_scan",         "async_reclaim",
    "direct_reclaim"};

}  // namespace

Result<std::unique_ptr<BalloonDevice>> CreateBalloon(const BalloonConfig& balloon,
                                                     std::optional<virtio::BalloonState> state) {
  return BalloonDevice::Create(
      {.target_pages = uint64_t{balloon.amount_mib} * kPagesPerMib,
       .deflate_on_oom = balloon.deflate_on_oom,
       .statistics_interval = std::chrono::seconds(balloon.stats_polling_interval_s),
       .free_page_hinting = balloon.free_page_hinting,
       .free_page_reporting = balloon.free_page_reporting,
       .state = std::move(state)});
}

Status Update(BalloonDevice& device, const BalloonUpdate& update) {
  return device.SetTarget(uint64_t{update.amount_mib} * kPagesPerMib);
}

Status Update(BalloonDevice& device, const BalloonStatisticsUpdate& update) {
  return device.SetStatisticsInterval(std::chrono::seconds(update.stats_polling_interval_s));
}

Status StartHinting(BalloonDevice& device, const BalloonHintingStart& start) {
  using OnStop = virtio::Hinting::OnStop;
  return device.StartHinting(start.acknowledge_on_stop ? OnStop::kAcknowledge : OnStop::kWait);
}

Result<std::string> StatisticsJson(const BalloonDevice& device) {
  const virtio::BalloonStatistics statistics = TRY(device.statistics());
  JsonWriter out;
  out.BeginObject()
      .Field("target_pages", device.target_pages())
      .Field("actual_pages", device.actual_pages())
      .Field("target_mib", device.target_pages() / kPagesPerMib)
      .Field("actual_mib", device.actual_pages() / kPagesPerMib);
  for (size_t tag = 0; tag < virtio::kBalloonStatisticCount; ++tag) {
    const auto value = statistics.value(static_cast<virtio::BalloonStatistic>(tag));
    if (value) out.Field(kStatisticNames[tag], *value);
  }
  out.EndObject();
  return std::move(out).Take();
}

Result<std::string> HintingJson(const BalloonDevice& device) {
  const virtio::Hinting hinting = TRY(device.hinting());
  JsonWriter out;
  out.BeginObject().Field("host_cmd", hinting.host_command());
  if (const std::optional<uint32_t> command = hinting.guest_command()) {
    out.Field("guest_cmd", *command);
  } else {
    out.Null("guest_cmd");
  }
  out.EndObject();
  return std::move(out).Take();
}

}  // namespace ember::vmm
