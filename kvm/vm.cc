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

Status SetMemorySlot(const Fd& vm, uint32_t number, const GuestRange& range, const std::byte* host,
                     Access access) {
  kvm_userspace_memory_region request{
      .slot = number,
      .flags = access == Access::kReadOnly ? uint32_t{KVM_MEM_READONLY} : 0,
      .guest_phys_addr = ToInteger(range.start),
      .memory_size = range.size_bytes,
      // KVM takes host addresses as numbers.
      .userspace_addr = reinterpret_cast<uintptr_t>(host),
  };
  TRY(Ioctl(vm, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &request));
  return {};
}

Status RegisterMemory(const Fd& vm, const GuestMemory& memory) {
  uint32_t slot = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    TRY_CONTEXT(
        SetMemorySlot(vm, slot++, region.range, region.host, Access::kReadWrite),
        Concat("guest RAM ", region.range.start, " of ", region.range.size_bytes, " bytes"));
  }
  return {};
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
  return std::unique_ptr<Vm>(
      new Vm(std::move(fd), system.run_area_bytes(), memory.regions().size()));
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

Result<MemorySlot> Vm::AddMemorySlot(const GuestRange& range, std::byte* host, Access access) {
  const MutexLock lock(slots_mutex_);
  const auto free = std::find(slots_.begin(), slots_.end(), false);
  const auto number = static_cast<uint32_t>(free - slots_.begin());
  TRY_CONTEXT(
      SetMemorySlot(fd_, number, range, host, access),
      Concat("memory slot ", number, " at ", range.start, " of ", range.size_bytes, " bytes"));
  if (free == slots_.end()) slots_.push_back(false);
  slots_[number] = true;
  return MemorySlot(*this, number, range);
}

void Vm::RemoveMemorySlot(uint32_t number) {
  const MutexLock lock(slots_mutex_);
  // A size of 0 removes a slot; the kernel refuses that of no slot that is there.
  const Status removed = SetMemorySlot(fd_, number, {}, nullptr, Access::kReadWrite);
  EMBER_CHECK(removed.has_value());
  slots_[number] = false;
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
