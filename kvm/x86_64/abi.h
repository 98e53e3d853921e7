#ifndef EMBER_KVM_X86_64_ABI_H_
#define EMBER_KVM_X86_64_ABI_H_

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <array>
#include <cstddef>
#include <cstdint>

// Requests whose structures end in a flexible array. As C++, <linux/kvm.h> (linux-libc-dev 6.1)
// makes those structures longer than the kernel does, because an empty struct has a size there, and
// with them the request numbers, which hold the size: the kernel answers EINVAL. Here they are once
// more, as the kernel has them.
namespace ember::kvm::x86_64::abi {

// struct kvm_cpuid2. KVM knows at most 256 entries (KVM_MAX_CPUID_ENTRIES).
struct CpuidHeader {
  uint32_t entry_count = 0;
  uint32_t padding = 0;
};
struct CpuidBuffer {
  CpuidHeader header;
  std::array<kvm_cpuid_entry2, 256> entries{};
};
static_assert(sizeof(CpuidHeader) == 8);
static_assert(sizeof(kvm_cpuid_entry2) == 40);
static_assert(offsetof(CpuidBuffer, entries) == 8);

// struct kvm_msrs.
struct MsrsHeader {
  uint32_t entry_count = 0;
  uint32_t padding = 0;
};
template <size_t kCount>
struct MsrsBuffer {
  MsrsHeader header{.entry_count = kCount};
  std::array<kvm_msr_entry, kCount> entries{};
};
static_assert(sizeof(MsrsHeader) == 8);
static_assert(sizeof(kvm_msr_entry) == 16);
static_assert(offsetof(MsrsBuffer<1>, entries) == 8);

// struct kvm_msr_list.
struct MsrListHeader {
  uint32_t entry_count = 0;
};
struct MsrListBuffer {
  MsrListHeader header;
  std::array<uint32_t, 1024> indices{};
};
static_assert(sizeof(MsrListHeader) == 4);
static_assert(offsetof(MsrListBuffer, indices) == 4);

// struct kvm_xsave. KVM_CAP_XSAVE2 says how long what follows is.
struct Xsave {
  std::array<uint32_t, 1024> region{};
};
static_assert(sizeof(Xsave) == 4096);

// struct kvm_nested_state. The size, in bytes, counts this and what follows.
struct NestedState {
  uint16_t flags = 0;
  uint16_t format = 0;
  uint32_t size = 0;
  std::array<std::byte, 120> header{};
};
static_assert(sizeof(NestedState) == 128);

inline constexpr unsigned long kGetMsrIndexList = _IOWR(KVMIO, 0x02, MsrListHeader);
inline constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHeader);
inline constexpr unsigned long kGetMsrs = _IOWR(KVMIO, 0x88, MsrsHeader);
inline constexpr unsigned long kSetMsrs = _IOW(KVMIO, 0x89, MsrsHeader);
inline constexpr unsigned long kSetCpuid2 = _IOW(KVMIO, 0x90, CpuidHeader);
inline constexpr unsigned long kGetCpuid2 = _IOWR(KVMIO, 0x91, CpuidHeader);
inline constexpr unsigned long kGetXsave = _IOR(KVMIO, 0xa4, Xsave);
inline constexpr unsigned long kSetXsave = _IOW(KVMIO, 0xa5, Xsave);
inline constexpr unsigned long kGetNestedState = _IOWR(KVMIO, 0xbe, NestedState);
inline constexpr unsigned long kSetNestedState = _IOW(KVMIO, 0xbf, NestedState);
inline constexpr unsigned long kGetXsave2 = _IOR(KVMIO, 0xcf, Xsave);
static_assert(kGetMsrIndexList == 0xc004'ae02);
static_assert(kGetSupportedCpuid == 0xc008'ae05);
static_assert(kGetMsrs == 0xc008'ae88);
static_assert(kSetMsrs == 0x4008'ae89);
static_assert(kSetCpuid2 == 0x4008'ae90);
static_assert(kGetCpuid2 == 0xc008'ae91);
static_assert(kGetXsave == 0x9000'aea4);
static_assert(kSetXsave == 0x5000'aea5);
static_assert(kGetNestedState == 0xc080'aebe);
static_assert(kSetNestedState == 0x4080'aebf);
static_assert(kGetXsave2 == 0x9000'aecf);

}  // namespace ember::kvm::x86_64::abi

#endif  // EMBER_KVM_X86_64_ABI_H_
