#include "vmm/pmem/pmem_device.h"

#include <utility>

#include "base/concat.h"
#include "virtio/pmem/pmem_file.h"

namespace ember::vmm {
namespace {

// What the guest's driver wants of both address and size.
constexpr uint64_t kAlignmentBytes = uint64_t{2} << 20;

Result<GuestRange> TakeRange(uint64_t size_bytes, AddressAllocator& addresses,
                             const std::optional<DeviceMemoryState>& state) {
  if (!state) return addresses.Take(size_bytes, kAlignmentBytes);
  if (state->size_bytes != size_bytes || ToInteger(state->start) % kAlignmentBytes != 0) {
    return Error(Concat("the file takes ", size_bytes, " bytes of the guest's addresses, in the ",
                        "snapshot it took ", state->size_bytes, " at ",
                        Hex{ToInteger(state->start)}));
  }
  return GuestRange{.start = state->start, .size_bytes = size_bytes};
}

}  // namespace

Result<PmemParts> CreatePmem(const PmemConfig& pmem, kvm::Vm& vm, AddressAllocator& addresses,
                             const std::optional<DeviceMemoryState>& state) {
  const Access access = pmem.read_only ? Access::kReadOnly : Access::kReadWrite;
  std::unique_ptr<virtio::PmemFile> file = TRY(virtio::PmemFile::Open(pmem.path_on_host, access));
  const GuestRange range = TRY(TakeRange(file->size_bytes(), addresses, state));
  std::byte* const bytes = file->bytes().data();
  std::unique_ptr<virtio::PmemDevice> device = TRY(
      virtio::PmemDevice::Create(std::move(file), {.id = pmem.id,
                                                   .start = ToInteger(range.start),
                                                   .rate_limiter = ToOptions(pmem.rate_limiter)}));
  kvm::MemorySlot slot = TRY(vm.AddMemorySlot(range, bytes, access));
  return PmemParts{.device = std::move(device), .slot = std::move(slot)};
}

}  // namespace ember::vmm
