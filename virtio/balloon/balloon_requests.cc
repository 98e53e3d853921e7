// What a balloon makes of its driver's requests.
#include <algorithm>
#include <array>
#include <utility>

#include "base/endian.h"
#include "base/log.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/balloon/page_runs.h"

namespace ember::virtio {
namespace {

// A driver's available index may move and move back: a look at the queue is repeated this often.
constexpr int kMaxLooks = 4;

}  // namespace

BalloonDevice::StepResult BalloonDevice::Step(Channel& channel, int64_t& budget) {
  Pending& pending = *channel.pending;
  switch (channel.role) {
    case Role::kInflate:
      return StepInflate(pending, budget);
    case Role::kHinting:
      return StepHinting(pending, budget);
    case Role::kReporting:
      return StepReporting(pending, budget);
    case Role::kDeflate:
      // The pages are the driver's again; the first touch of each gives it memory.
      metrics_.deflate_count.Add();
      return StepResult::kDone;
    case Role::kStatistics:
      break;  // kept, and never worked on as a request
  }
  return StepResult::kDone;
}

BalloonDevice::StepResult BalloonDevice::StepInflate(Pending& pending, int64_t& budget) {
  std::array<uint32_t, kMaxFramesAtOnce> room;
  const size_t count = std::min(pending.to_read.size_bytes() / sizeof(uint32_t), room.size());
  const std::span<uint32_t> frames = std::span(room).first(count);
  if (pending.to_read.TakeFront(std::as_writable_bytes(frames)) && count > 0) {
    PageRuns runs(frames);
    while (const auto run = runs.Next()) ReleaseRun(*run, budget);
    if (pending.to_read.size_bytes() >= sizeof(uint32_t)) return StepResult::kMore;
  }
  // Part of a number, or a buffer to write.
  if (!pending.to_read.empty() || !pending.to_write.empty()) metrics_.event_fails.Add();
  metrics_.inflate_count.Add();
  return StepResult::kDone;
}

void BalloonDevice::ReleaseRun(GuestRange run, int64_t& budget) {
  while (run.size_bytes > 0) {
    budget -= kCallCostBytes;
    const size_t in_ram = active_->memory.HostPrefix(run.start, run.size_bytes).size();
    if (in_ram == 0) {
      // Pages before the next region, if there is one, are not worth a search.
      metrics_.event_fails.Add();
      run = {.start = run.start + kBalloonPageBytes,
             .size_bytes = run.size_bytes - kBalloonPageBytes};
      continue;
    }
    const Result<uint64_t> released = active_->memory.Release(run.start, in_ram);
    if (released) {
      budget -= static_cast<int64_t>(*released);
    } else {
      metrics_.event_fails.Add();
      EMBER_LOG_LIMITED(kWarning, "balloon: ", released.error().message());
    }
    run = {.start = run.start + in_ram, .size_bytes = run.size_bytes - in_ram};
  }
}

uint64_t BalloonDevice::ReleasePiece(Buffers& buffers, int64_t& budget) {
  const iovec piece = buffers.pieces().front();
  const auto* const host = static_cast<const std::byte*>(piece.iov_base);
  // A piece of a chain lies in one region.
  const GuestAddress at = *active_->memory.AddressOf(host);
  // A long one is cut where host pages begin, so that none is lost to the cut.
  const uint64_t to_cut = kMaxStepBytes - ToInteger(at) % kMaxStepBytes;
  const uint64_t len = std::min<uint64_t>(piece.iov_len, to_cut);
  buffers.DropFront(len);
  budget -= kCallCostBytes;
  const Result<uint64_t> released = active_->memory.Release(at, len);
  if (!released) {
    EMBER_LOG_LIMITED(kWarning, "balloon: ", released.error().message());
    return 0;
  }
  budget -= static_cast<int64_t>(*released);
  return *released;
}

BalloonDevice::StepResult BalloonDevice::StepReporting(Pending& pending, int64_t& budget) {
  if (pending.to_write.empty()) {
    if (!pending.to_read.empty()) metrics_.event_fails.Add();
    return StepResult::kDone;
  }
  metrics_.free_page_report_count.Add();
  const uint64_t released = ReleasePiece(pending.to_write, budget);
  metrics_.free_page_report_freed.Add(released);
  if (released == 0) metrics_.free_page_report_fails.Add();
  return pending.to_write.empty() ? StepResult::kDone : StepResult::kMore;
}

// Commands are buffers to read, free pages are buffers to write (5.5.6.5).
BalloonDevice::StepResult BalloonDevice::StepHinting(Pending& pending, int64_t& budget) {
  if (!pending.to_read.empty()) TakeHintCommand(pending.to_read);
  if (pending.to_write.empty() || !hinting_.takes_pages()) return StepResult::kDone;
  metrics_.free_page_hint_count.Add();
  const uint64_t released = ReleasePiece(pending.to_write, budget);
  metrics_.free_page_hint_freed.Add(released);
  if (released == 0) metrics_.free_page_hint_fails.Add();
  return pending.to_write.empty() ? StepResult::kDone : StepResult::kMore;
}

void BalloonDevice::TakeHintCommand(Buffers& buffers) {
  std::array<std::byte, sizeof(uint32_t)> command;
  const bool whole = buffers.size_bytes() == command.size() && buffers.TakeFront(command);
  buffers = {};
  if (!whole) {
    metrics_.event_fails.Add();
    return;
  }
  if (!hinting_.TakeGuestCommand(LoadLe<uint32_t>(command))) return;
  hinting_.Finish();
  PublishHintCommand();
}

void BalloonDevice::TakeStatistics(Channel& channel) {
  Queue& queue = channel.queue;
  queue.DisableNotifications();
  for (int look = 0; look < kMaxLooks && !channel.pending; ++look) {
    const tl::expected<bool, Breach> taken = Take(channel);
    if (!taken) return Break(channel.index, taken.error());
    if (*taken) {
      ReadStatistics(channel.pending->to_read);
    } else if (!queue.EnableNotifications()) {
      return;
    }
  }
}

void BalloonDevice::ReadStatistics(Buffers buffers) {
  metrics_.stats_updates_count.Add();
  std::array<std::byte, kMaxStatistics * BalloonStatistics::kEntryBytes> room;
  const uint64_t bytes = std::min<uint64_t>(buffers.size_bytes(), room.size());
  const std::span<std::byte> entries = std::span(room).first(bytes);
  const bool whole = buffers.TakeFront(entries) && buffers.empty() && bytes > 0 &&
                     bytes % BalloonStatistics::kEntryBytes == 0;
  if (!whole) metrics_.stats_update_fails.Add();
  statistics_.Update(entries);
}

void BalloonDevice::RequestStatistics() {
  Channel* const channel = Find(Role::kStatistics);
  if (channel == nullptr) return;
  if (channel->pending) {
    Finish(*channel);
    if (channel->queue.Publish()) active_->driver.UsedBuffers(channel->index);
  }
  TakeStatistics(*channel);
}

}  // namespace ember::virtio
