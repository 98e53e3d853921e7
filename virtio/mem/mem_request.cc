#include "virtio/mem/mem_request.h"

#include <span>

namespace ember::virtio {

std::optional<MemRequest> MemRequest::Take(Buffers& buffers) {
  static_assert(sizeof(virtio_mem_req) == 24);
  virtio_mem_req raw{};
  if (!buffers.TakeFront(std::as_writable_bytes(std::span(&raw, 1)))) return std::nullopt;
  // The three requests with an operand have it in the same place.
  return MemRequest{
      .type = raw.type, .addr = GuestAddress{raw.u.plug.addr}, .block_count = raw.u.plug.nb_blocks};
}

std::optional<PluggableMemory::Blocks> MemRequest::BlocksWithin(const PluggableMemory& memory,
                                                                uint64_t usable_bytes) const {
  // Below the region it wraps to more than any region has.
  const uint64_t offset = ToInteger(addr) - ToInteger(memory.range().start);
  if (ToInteger(addr) % memory.block_bytes() != 0 || block_count == 0 || offset >= usable_bytes) {
    return std::nullopt;
  }
  if (block_count > (usable_bytes - offset) / memory.block_bytes()) return std::nullopt;
  return PluggableMemory::Blocks{.first = offset / memory.block_bytes(), .count = block_count};
}

}  // namespace ember::virtio
