#include "vmm/vitals.h"

#include <algorithm>

namespace ember::vmm {

Vitals::Entry Vitals::AddLoop(std::string name, EventLoop& loop) {
  const MutexLock lock(mutex_);
  const auto place = loops_.insert(loops_.end(), {.name = std::move(name), .loop = loop});
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
  using std::chrono::microseconds;
  const TimePoint asked = std::chrono::steady_clock::now();
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<const LoopCheck>> checks;
  for (const Loop& each : loops_) {
    auto check = std::make_shared<LoopCheck>(each.name);
    checks.push_back(check);
    each.loop.Post([check, asked, on_answer] {
      const auto took = std::chrono::steady_clock::now() - asked;
      // Relaxed: it tells only of itself.
      check->answer_us.store(std::chrono::duration_cast<microseconds>(took).count(),
                             std::memory_order_relaxed);
      on_answer();
    });
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
