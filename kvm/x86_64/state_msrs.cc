#include "kvm/x86_64/state_msrs.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/concat.h"
#include "kvm/ioctl.h"
#include "kvm/x86_64/abi.h"
#include "kvm/x86_64/msrs.h"

namespace ember::kvm::x86_64 {
namespace {

// Intel SDM, volume 4, 2.1.
constexpr uint32_t kTsc = 0x10;
constexpr uint32_t kFeatureControl = 0x3a;
constexpr uint32_t kTscAdjust = 0x3b;
constexpr uint32_t kTscDeadline = 0x6e0;

struct Range {
  uint32_t first;
  uint32_t count;
};
// Memory type ranges: 8 variable ones, the fixed ones, the default. Machine checks: 4 registers of
// each of KVM's 32 banks.
constexpr std::array kUnlisted = {Range{0x200, 16}, Range{0x250, 1}, Range{0x258, 2},
                                  Range{0x268, 8},  Range{0x2ff, 1}, Range{0x400, 4 * 32}};

// As many as KVM takes at once (MAX_IO_MSRS).
constexpr size_t kBatch = 256;
using Batch = abi::MsrsBuffer<kBatch>;

// The counter before what is added to it, and the deadline, which is in the counter's time and of a
// timer that must be in its mode, last.
int Rank(const MsrValue& value) {
  switch (value.index) {
    case kTsc:
      return 1;
    case kTscAdjust:
      return 2;
    case kTscDeadline:
      return 3;
    default:
      return 0;
  }
}

// One that KVM refused. Nothing is lost where it has the value anyhow.
Status CheckHolds(const Vcpu& vcpu, const MsrValue& wanted) {
  const std::vector<MsrValue> held = TRY(ReadMsrs(vcpu, {&wanted.index, 1}));
  if (!held.empty() && held.front() == wanted) return {};
  return Error(
      Concat("KVM refused the value ", Hex{wanted.data}, " for the register ", Hex{wanted.index}));
}

Status WriteMsrs(const Vcpu& vcpu, std::span<const MsrValue> values) {
  const auto batch = std::make_unique<Batch>();
  while (!values.empty()) {
    const std::span<const MsrValue> now = values.first(std::min(values.size(), kBatch));
    std::ranges::transform(now, batch->entries.begin(), [](const MsrValue& value) {
      return kvm_msr_entry{.index = value.index, .reserved = 0, .data = value.data};
    });
    batch->header.entry_count = static_cast<uint32_t>(now.size());
    // The answer is how many were taken, from the first on.
    const auto taken =
        static_cast<size_t>(TRY(Ioctl(vcpu.fd(), abi::kSetMsrs, "KVM_SET_MSRS", batch.get())));
    values = values.subspan(std::min(taken, now.size()));
    if (taken >= now.size()) continue;
    TRY(CheckHolds(vcpu, values.front()));
    values = values.subspan(1);
  }
  return {};
}

}  // namespace

Result<std::vector<uint32_t>> ReadStateMsrIndices(const System& system) {
  std::vector<uint32_t> indices = TRY(ReadMsrIndices(system));
  for (const Range& range : kUnlisted) {
    for (uint32_t i = 0; i < range.count; ++i) indices.push_back(range.first + i);
  }
  std::ranges::sort(indices);
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

Result<std::vector<MsrValue>> ReadMsrs(const Vcpu& vcpu, std::span<const uint32_t> indices) {
  const auto batch = std::make_unique<Batch>();
  std::vector<MsrValue> values;
  values.reserve(indices.size());
  while (!indices.empty()) {
    const std::span<const uint32_t> now = indices.first(std::min(indices.size(), kBatch));
    std::ranges::transform(now, batch->entries.begin(), [](uint32_t index) {
      return kvm_msr_entry{.index = index, .reserved = 0, .data = 0};
    });
    batch->header.entry_count = static_cast<uint32_t>(now.size());
    const auto read =
        static_cast<size_t>(TRY(Ioctl(vcpu.fd(), abi::kGetMsrs, "KVM_GET_MSRS", batch.get())));
    const size_t count = std::min(read, now.size());
    for (const kvm_msr_entry& entry : std::span(batch->entries).first(count)) {
      values.push_back({.index = entry.index, .data = entry.data});
    }
    // It stops at one that the vCPU does not have.
    indices = indices.subspan(std::min(count + 1, now.size()));
  }
  return values;
}

Status WriteNestingMsrs(const Vcpu& vcpu, std::span<const MsrValue> values) {
  const auto control = std::ranges::find(values, kFeatureControl, &MsrValue::index);
  if (control == values.end()) return {};
  return WriteMsrs(vcpu, {&*control, 1});
}

Status WriteStateMsrs(const Vcpu& vcpu, std::span<const MsrValue> values) {
  std::vector<MsrValue> sorted(values.begin(), values.end());
  std::ranges::stable_sort(sorted, {}, Rank);
  return WriteMsrs(vcpu, sorted);
}

}  // namespace ember::kvm::x86_64
