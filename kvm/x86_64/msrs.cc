#include "kvm/x86_64/msrs.h"

#include <algorithm>
#include <memory>

#include "base/concat.h"
#include "kvm/ioctl.h"
#include "kvm/x86_64/abi.h"

namespace ember::kvm::x86_64 {
namespace {

// AMD64 Architecture Programmer's Manual, volume 2, appendix A; Intel SDM, volume 4, 2.1.
constexpr uint32_t kTsc = 0x10;
constexpr uint32_t kSysenterCs = 0x174;
constexpr uint32_t kSysenterEsp = 0x175;
constexpr uint32_t kSysenterEip = 0x176;
constexpr uint32_t kMiscEnable = 0x1a0;
constexpr uint32_t kMtrrDefaultType = 0x2ff;
constexpr uint32_t kStar = 0xc000'0081;
constexpr uint32_t kLstar = 0xc000'0082;
constexpr uint32_t kCstar = 0xc000'0083;
constexpr uint32_t kSyscallMask = 0xc000'0084;
constexpr uint32_t kKernelGsBase = 0xc000'0102;

constexpr uint64_t kFastStrings = 1U << 0;
// Memory type ranges are on, and what no range names is write-back: all RAM is cached.
constexpr uint64_t kMtrrEnabledWriteBack = (1U << 11) | 6;

}  // namespace

Result<std::vector<uint32_t>> ReadMsrIndices(const System& system) {
  const auto list = std::make_unique<abi::MsrListBuffer>();
  list->header.entry_count = static_cast<uint32_t>(list->indices.size());
  TRY(Ioctl(system.fd(), abi::kGetMsrIndexList, "KVM_GET_MSR_INDEX_LIST", list.get()));
  const size_t count = std::min<size_t>(list->header.entry_count, list->indices.size());
  return std::vector<uint32_t>(list->indices.begin(),
                               list->indices.begin() + static_cast<ptrdiff_t>(count));
}

Status ModifyMsrs(const Vcpu& vcpu, std::span<const MsrModifier> modifiers) {
  for (const MsrModifier& modifier : modifiers) {
    abi::MsrsBuffer<1> msr{.entries = {kvm_msr_entry{.index = modifier.index}}};
    if (TRY(Ioctl(vcpu.fd(), abi::kGetMsrs, "KVM_GET_MSRS", &msr)) != 1) {
      return Error(Concat("Template changes an MSR entry not supported by KVM: Register Address: ",
                          Hex{modifier.index}));
    }
    const uint64_t data = modifier.bits.Apply(msr.entries[0].data);
    msr.entries[0].data = data;
    if (TRY(Ioctl(vcpu.fd(), abi::kSetMsrs, "KVM_SET_MSRS", &msr)) != 1) {
      return Error(Concat("msr_modifiers: KVM refused the value ", Hex{data}, " for the register ",
                          Hex{modifier.index}));
    }
  }
  return {};
}

Status SetBootMsrs(const Vcpu& vcpu) {
  const auto entry = [](uint32_t index, uint64_t data) {
    return kvm_msr_entry{.index = index, .reserved = 0, .data = data};
  };
  abi::MsrsBuffer<11> msrs{.entries = {
                               entry(kSysenterCs, 0),
                               entry(kSysenterEsp, 0),
                               entry(kSysenterEip, 0),
                               entry(kStar, 0),
                               entry(kLstar, 0),
                               entry(kCstar, 0),
                               entry(kSyscallMask, 0),
                               entry(kKernelGsBase, 0),
                               entry(kTsc, 0),
                               entry(kMiscEnable, kFastStrings),
                               entry(kMtrrDefaultType, kMtrrEnabledWriteBack),
                           }};
  // The answer is how many were taken, from the first on.
  const auto taken =
      static_cast<size_t>(TRY(Ioctl(vcpu.fd(), abi::kSetMsrs, "KVM_SET_MSRS", &msrs)));
  if (taken < msrs.entries.size()) {
    const kvm_msr_entry& refused = msrs.entries[taken];
    return Error(Concat("KVM_SET_MSRS: KVM refused the value ", Hex{refused.data},
                        " for the register ", Hex{refused.index}));
  }
  return {};
}

}  // namespace ember::kvm::x86_64
