#include "virtio/block/block_session.h"

#include <algorithm>
#include <utility>

namespace ember::virtio {
namespace {

// How long the host is left alone after it took no more calls.
constexpr std::chrono::milliseconds kEngineRetryDelay{1};

// What the limiter counts.
uint64_t DataBytes(const BlockRequest& request) {
  if (request.type == VIRTIO_BLK_T_IN) return request.to_write.size_bytes();
  return request.type == VIRTIO_BLK_T_OUT ? request.to_read.size_bytes() : 0;
}

}  // namespace

BlockSession::BlockSession(BlockParts& parts, Activation activation)
    : parts_(parts),
      memory_(activation.memory),
      driver_(activation.driver),
      features_(activation.features) {
  QueueSize largest{};
  for (size_t i = 0; i < activation.queues.size(); ++i) {
    std::optional<Queue>& queue = activation.queues[i];
    if (!queue) continue;
    largest = std::max(largest, queue->size());
    lines_.push_back({.queue = *std::move(queue), .index = QueueIndex{static_cast<uint16_t>(i)}});
  }
  // One that runs and one held on each queue, where the engine has none in flight.
  const size_t count = std::max(parts.engine->depth(), lines_.size() + 1);
  for (size_t i = 0; i < count; ++i) {
    slots_.emplace_back(largest, IoTag{static_cast<uint32_t>(i)});
  }
  for (size_t i = count; i > 0; --i) free_.push_back(&slots_[i - 1]);
  runnable_.reserve(count);
}

BlockSession::~BlockSession() {
  parts_.engine->Stop();
  parts_.timer.Disarm();
  for (Slot& slot : slots_) {
    if (slot.chain) Drop(slot);
  }
}

Progress BlockSession::OnNotify(QueueIndex queue) {
  parts_.metrics.queue_event_count.Add();
  const auto line = std::ranges::find(lines_, queue, &Line::index);
  if (line == lines_.end()) return Progress::kDone;
  line->hungry = true;
  const bool more = Run();
  const bool took_none = line->drained && !line->hungry && budget_ == kBudgetBytes;
  if (took_none) parts_.metrics.no_avail_buffer.Add();
  if (more) parts_.metrics.remaining_reqs_count.Add();
  return more ? Progress::kMore : Progress::kDone;
}

void BlockSession::OnTimer() {
  if (AnyHeld()) parts_.metrics.rate_limiter_event_count.Add();
  OnEngine();
}

void BlockSession::OnEngine() {
  if (!Run()) return;
  parts_.metrics.remaining_reqs_count.Add();
  parts_.timer.Arm(std::chrono::nanoseconds::zero());
}

bool BlockSession::Run() {
  budget_ = kBudgetBytes;
  now_ = parts_.clock.Now();
  first_line_ = lines_.empty() ? 0 : (first_line_ + 1) % lines_.size();
  HandOver();
  do {
    RunRunnable();
    for (size_t i = 0; i < lines_.size() && !broken_; ++i) {
      TakeFrom(lines_[(first_line_ + i) % lines_.size()]);
    }
    HandOver();
    if (broken_) break;
    Publish();
    AskForNotifications();
  } while (budget_ > 0 && CanGoOn());
  ArmTimer();
  return !broken_ && CanGoOn();
}

bool BlockSession::CanGoOn() const {
  if (!runnable_.empty()) return true;
  if (free_.empty()) return false;
  return std::ranges::any_of(lines_,
                             [](const Line& line) { return line.hungry && line.held == nullptr; });
}

void BlockSession::RunRunnable() {
  size_t done = 0;
  while (done < runnable_.size() && budget_ > 0 && !broken_) {
    Carry(*std::exchange(runnable_[done], nullptr));
    ++done;
  }
  std::erase(runnable_, nullptr);
}

void BlockSession::TakeFrom(Line& line) {
  if (Slot* const held = std::exchange(line.held, nullptr)) {
    if (Admit(line, *held) == Admission::kHeld) return;
    Begin(*held);
  }
  if (!line.hungry) return;
  line.queue.DisableNotifications();
  line.drained = false;
  while (budget_ > 0 && !free_.empty() && line.held == nullptr && TakeOne(line)) {
  }
}

bool BlockSession::TakeOne(Line& line) {
  Slot& slot = *free_.back();
  Queue::PopResult popped = line.queue.Pop(slot.storage);
  if (!popped) {
    NeedsReset(line, popped.error());
    return false;
  }
  if (!*popped) {
    line.drained = true;
    return false;
  }
  free_.pop_back();
  slot.line = &line;
  slot.retries = 0;
  slot.chain.emplace(*std::move(*popped));
  budget_ -= kRequestCostBytes;
  const auto request = ParseBlockRequest(*slot.chain);
  if (!request) {
    parts_.metrics.invalid_reqs_count.Add();
    slot.request = {};
    Drop(slot);
    NeedsReset(line, request.error());
    return false;
  }
  slot.request = *request;
  if (Admit(line, slot) == Admission::kAdmitted) {
    Begin(slot);
  } else {
    parts_.metrics.rate_limiter_throttled_events.Add();
  }
  return true;
}

BlockSession::Admission BlockSession::Admit(Line& line, Slot& slot) {
  if (parts_.limiter.Consume(DataBytes(slot.request), now_)) {
    return Admission::kAdmitted;
  }
  line.held = &slot;
  return Admission::kHeld;
}

// Gives the host what was started, and takes what is finished: at once, where it had the data. What
// goes on from there is given to it as well.
void BlockSession::HandOver() {
  do {
    started_ = false;
    engine_full_ = !parts_.engine->Submit();
    if (engine_full_) parts_.metrics.io_engine_throttled_events.Add();
    if (in_flight_ > 0) now_ = parts_.clock.Now();
    size_t finished = 0;
    // To the end, for the engine may also have what nobody waits for.
    while (const std::optional<IoCompletion> completion = parts_.engine->TakeFinished()) {
      --in_flight_;
      ++finished;
      OnFinished(*completion);
    }
    pace_.Note(now_, finished, in_flight_);
  } while (started_ && !engine_full_);
}

void BlockSession::OnFinished(const IoCompletion& completion) {
  Slot& slot = SlotOf(completion.tag);
  if (broken_) return Drop(slot);
  if (Account(slot, completion.result)) Carry(slot);
}

void BlockSession::Publish() {
  for (Line& line : lines_) {
    if (line.queue.Publish()) driver_.UsedBuffers(line.index);
  }
}

void BlockSession::AskForNotifications() {
  for (Line& line : lines_) {
    if (!line.hungry || !line.drained) continue;
    line.hungry = line.queue.EnableNotifications();
    // The index moved and may move back: that must not go on for ever.
    if (line.hungry) budget_ -= kRequestCostBytes;
  }
}

bool BlockSession::AnyHeld() const {
  return std::ranges::any_of(lines_, [](const Line& line) { return line.held != nullptr; });
}

std::chrono::nanoseconds BlockSession::GatheringTime() const {
  return broken_ || !parts_.engine->gathers() ? std::chrono::nanoseconds() : pace_.delay();
}

void BlockSession::ArmTimer() {
  const std::chrono::nanoseconds gathering = GatheringTime();
  gathering_ = gathering > gathering.zero();
  if (!gathering_ && (broken_ || (!engine_full_ && !AnyHeld()))) return;
  std::chrono::nanoseconds delay = engine_full_ ? kEngineRetryDelay : delay.max();
  if (gathering_) delay = std::min(delay, gathering);
  for (const Line& line : lines_) {
    if (line.held == nullptr) continue;
    delay = std::min(delay, parts_.limiter.TimeUntilReady(DataBytes(line.held->request), now_));
  }
  parts_.timer.Arm(delay);
}

void BlockSession::NeedsReset(Line& line, Breach breach) {
  broken_ = true;
  // What was answered before counts; after this no ring is touched.
  if (line.queue.Publish()) driver_.UsedBuffers(line.index);
  driver_.NeedsReset(line.index, breach);
}

void BlockSession::FinishUnderWay() {
  budget_ = kChangeBudgetBytes;
  now_ = parts_.clock.Now();
  do {
    RunRunnable();
    parts_.engine->WaitForAll();
    HandOver();
  } while (in_flight_ > 0 || (budget_ > 0 && !runnable_.empty() && !broken_));
  if (!broken_) Publish();
  parts_.timer.Arm(std::chrono::nanoseconds::zero());
}

Status BlockSession::ComeToRest() {
  do {
    FinishUnderWay();
  } while (!runnable_.empty());
  parts_.timer.Disarm();
  for (Line& line : lines_) {
    Slot* const held = std::exchange(line.held, nullptr);
    if (held == nullptr) continue;
    // Nothing was taken from the line after it.
    line.queue.PutBack(*std::exchange(held->chain, std::nullopt));
    free_.push_back(held);
  }
  if (parts_.disk->access() == Access::kReadOnly) return {};
  return parts_.disk->Flush();
}

}  // namespace ember::virtio
