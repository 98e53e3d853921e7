#include "vmm/vitals.h"

#include <algorithm>

namespace ember::vmm {

// What a loop is asked by. Destroyed with the loop if that ends before it comes to it.
class Vitals::Question {
 public:
  Question(std::shared_ptr<LoopCheck> check, std::function<void()> on_answer)
      : check_(std::move(check)), on_answer_(std::move(on_answer)) {}
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question() {
    if (!answered_) check_->gone.store(true, std::memory_order_relaxed);
  }

  void Answer() {
    using std::chrono::microseconds;
    const auto took = std::chrono::steady_clock::now() - asked_;
    // Relaxed: it tells only of itself.
    check_->answer_us.store(std::chrono::duration_cast<microseconds>(took).count(),
                            std::memory_order_relaxed);
    answered_ = true;
    on_answer_();
  }

 private:
  const std::shared_ptr<LoopCheck> check_;
  const std::function<void()> on_answer_;
  const TimePoint asked_ = std::chrono::steady_clock::now();
  bool answered_ = false;
};

Vitals::Entry Vitals::AddLoop(std::string name, EventLoop& loop) {
  const MutexLock lock(mutex_);
  const auto place =
      loops_.insert(loops_.end(), {.name = std::move(name), .loop = loop, .latest = nullptr});
  return Entry([this, place] {
    const MutexLock removal(mutex_);
    loops_.erase(place);
  });
}

Vitals::Entry Vitals::AddVcpu(uint32_t index, const VcpuPulse& pulse) {
  const MutexLock lock(mutex_);
  const auto place = vcpus_.insert(vcpus_.end(), {.index = index, .pulse = pulse});
  return Entry([this, place] {
    const MutexLock removal(mutex_);
    vcpus_.erase(place);
  });
}

std::vector<std::shared_ptr<const Vitals::LoopCheck>> Vitals::AskLoops(
    const std::function<void()>& on_answer) const {
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<const LoopCheck>> checks;
  for (const Loop& each : loops_) {
    const bool waits =
        each.latest != nullptr && each.latest->answer_us.load(std::memory_order_relaxed) < 0;
    if (!waits) {
      each.latest = std::make_shared<LoopCheck>(each.name);
      each.loop.Post(
          [question = std::make_shared<Question>(each.latest, on_answer)] { question->Answer(); });
    }
    checks.push_back(each.latest);
  }
  return checks;
}

std::vector<Vitals::VcpuSample> Vitals::SampleVcpus() const {
  const MutexLock lock(mutex_);
  std::vector<VcpuSample> samples;
  for (const Vcpu& each : vcpus_) {
    samples.push_back({.index = each.index, .beat = each.pulse.beat()});
  }
  return samples;
}

void Vitals::SetGuestMemory(std::vector<HostRange> ranges) {
  const MutexLock lock(mutex_);
  guest_memory_ = std::move(ranges);
}

std::vector<HostRange> Vitals::guest_memory() const {
  const MutexLock lock(mutex_);
  return guest_memory_;
}

std::optional<std::chrono::nanoseconds> Vitals::action_age() const {
  const int64_t since_ns = action_since_ns_.load(std::memory_order_relaxed);
  if (since_ns == 0) return std::nullopt;
  return std::chrono::nanoseconds(std::max<int64_t>(0, NowNs() - since_ns));
}

}  // namespace ember::vmm
