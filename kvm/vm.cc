#include "kvm/vm.h"

#include <linux/kvm.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "kvm/arch.h"
#include "kvm/interrupt_line.h"
#include "kvm/ioctl.h"
#include "memory/guest_memory.h"

namespace ember::kvm {
namespace {

constexpr int kRemovalTries = 16;

uint32_t SlotFlags(Access access, DirtyLog log) {
  uint32_t flags = 0;
  if (access == Access::kReadOnly) flags |= KVM_MEM_READONLY;
  if (log == DirtyLog::kOn) flags |= KVM_MEM_LOG_DIRTY_PAGES;
  return flags;
}

Status SetMemorySlot(const Fd& vm, uint32_t number, const GuestRange& range, const std::byte* host,
                     uint32_t flags) {
  kvm_userspace_memory_region request{
      .slot = number,
      .flags = flags,
      .guest_phys_addr = ToInteger(range.start),
      .memory_size = range.size_bytes,
      // KVM takes host addresses as numbers.
      .userspace_addr = reinterpret_cast<uintptr_t>(host),
  };
  TRY(Ioctl(vm, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &request));
  return {};
}

DirtyLog LogOf(const GuestMemory& memory) {
  return memory.dirty_pages() != nullptr ? DirtyLog::kOn : DirtyLog::kOff;
}

Status RegisterMemory(const Fd& vm, const GuestMemory& memory) {
  const uint32_t flags = SlotFlags(Access::kReadWrite, LogOf(memory));
  uint32_t slot = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    TRY_CONTEXT(
        SetMemorySlot(vm, slot++, region.range, region.host, flags),
        Concat("guest RAM ", region.range.start, " of ", region.range.size_bytes, " bytes"));
  }
  return {};
}

Result<std::vector<uint64_t>> ReadDirtyLog(const Fd& vm, uint32_t slot, uint64_t size_bytes) {
  constexpr uint64_t kBitsPerWord = 64;
  const uint64_t pages = size_bytes / DirtyPages::kPageBytes;
  std::vector<uint64_t> bits((pages + kBitsPerWord - 1) / kBitsPerWord);
  kvm_dirty_log request{};
  request.slot = slot;
  request.dirty_bitmap = bits.data();
  TRY_CONTEXT(Ioctl(vm, KVM_GET_DIRTY_LOG, "KVM_GET_DIRTY_LOG", &request),
              Concat("memory slot ", slot));
  return bits;
}

uint32_t IoEventFlags(const IoEvent& event) {
  uint32_t flags = 0;
  if (event.space == IoSpace::kPio) flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (event.value) flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  return flags;
}

Status SetIoEvent(const Fd& vm, const IoEvent& event, const Fd& event_fd, uint32_t flags) {
  kvm_ioeventfd request{};
  request.datamatch = event.value.value_or(0);
  request.addr = event.address;
  request.len = event.size_bytes;
  request.fd = event_fd.get();
  request.flags = IoEventFlags(event) | flags;
  TRY_CONTEXT(Ioctl(vm, KVM_IOEVENTFD, "KVM_IOEVENTFD", &request),
              Concat("doorbell of ", event.size_bytes, " bytes at ", Hex{event.address}));
  return {};
}

}  // namespace

Result<std::unique_ptr<Vm>> Vm::Create(const System& system, const GuestMemory& memory) {
  Fd fd(TRY(Ioctl(system.fd(), KVM_CREATE_VM, "KVM_CREATE_VM")));
  TRY(RegisterMemory(fd, memory));
  TRY(arch::CreateInterruptControllers(fd));
  return std::unique_ptr<Vm>(new Vm(std::move(fd), system.run_area_bytes(), memory));
}

// RAM has the first slots, which RegisterMemory() made.
Vm::Vm(Fd fd, size_t run_area_bytes, const GuestMemory& memory)
    : fd_(std::move(fd)), run_area_bytes_(run_area_bytes) {
  for (const GuestMemory::Region& region : memory.regions()) {
    slots_.emplace_back(Slot{.range = region.range, .log = LogOf(memory)});
  }
}

Result<std::unique_ptr<Vcpu>> Vm::CreateVcpu(VcpuIndex index) {
  const auto number = static_cast<uint32_t>(index);
  Fd vcpu(
      TRY_CONTEXT(Ioctl(fd_, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", number), Concat("vCPU ", number)));
  return Vcpu::Create(index, std::move(vcpu), run_area_bytes_);
}

Result<std::unique_ptr<InterruptLine>> Vm::CreateInterruptLine(Gsi gsi) {
  return IrqfdLine::Create(fd_, gsi, interrupt_metrics_);
}

Result<MemorySlot> Vm::AddMemorySlot(const GuestRange& range, std::byte* host, Access access,
                                     DirtyLog log) {
  const MutexLock lock(slots_mutex_);
  const auto free = std::find(slots_.begin(), slots_.end(), std::nullopt);
  const auto number = static_cast<uint32_t>(free - slots_.begin());
  TRY_CONTEXT(
      SetMemorySlot(fd_, number, range, host, SlotFlags(access, log)),
      Concat("memory slot ", number, " at ", range.start, " of ", range.size_bytes, " bytes"));
  if (free == slots_.end()) slots_.emplace_back();
  slots_[number] = Slot{.range = range, .log = log};
  return MemorySlot(*this, number, range);
}

Result<std::vector<WrittenPages>> Vm::TakeWrittenPages() {
  const MutexLock lock(slots_mutex_);
  std::vector<WrittenPages> written;
  for (uint32_t number = 0; number < slots_.size(); ++number) {
    const std::optional<Slot>& slot = slots_[number];
    if (!slot || slot->log == DirtyLog::kOff) continue;
    written.push_back(
        {.range = slot->range, .bits = TRY(ReadDirtyLog(fd_, number, slot->range.size_bytes))});
  }
  return written;
}

void Vm::RemoveMemorySlot(uint32_t number) {
  const MutexLock lock(slots_mutex_);
  // A size of 0 removes a slot; the kernel refuses that of no slot that is there, but may lack the
  // memory for it at times. Not to go on without: the guest would have memory that is another's.
  Status removed = SetMemorySlot(fd_, number, {}, nullptr, 0);
  for (int tries = 1; !removed && tries < kRemovalTries; ++tries) {
    removed = SetMemorySlot(fd_, number, {}, nullptr, 0);
  }
  EMBER_CHECK(removed.has_value());
  slots_[number].reset();
}

void MemorySlot::Remove() {
  if (Vm* const vm = std::exchange(vm_, nullptr)) vm->RemoveMemorySlot(number_);
}

MemorySlot& MemorySlot::operator=(MemorySlot&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  vm_ = std::exchange(other.vm_, nullptr);
  number_ = other.number_;
  range_ = other.range_;
  return *this;
}

Status Vm::AddIoEvent(const IoEvent& event, const Fd& event_fd) {
  return SetIoEvent(fd_, event, event_fd, 0);
}

Status Vm::RemoveIoEvent(const IoEvent& event, const Fd& event_fd) {
  return SetIoEvent(fd_, event, event_fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

}  // namespace ember::kvm
