// The split queue over rings, descriptors and tables that are the input.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "memory/guest_memory.h"
#include "virtio/queue.h"

namespace {

using ember::GuestAddress;
using ember::GuestMemory;
using namespace ember::virtio;  // NOLINT(google-build-using-namespace)

constexpr uint16_t kSize = 16;
constexpr GuestAddress kRings{0x1000};
constexpr QueueConfig kConfig{.size = QueueSize{kSize},
                              .descriptors = kRings,
                              .available = kRings + 0x100,
                              .used = kRings + 0x200,
                              .ready = true};

const GuestMemory& Memory() {
  static const std::unique_ptr<GuestMemory> memory = *GuestMemory::Create(
      {{GuestAddress{0}, 0x10000}, {GuestAddress{0x10000}, 0x1000}}, {.track_dirty_pages = true});
  return *memory;
}

// What a device does with a chain, kept short: buffers may name the same bytes again and again.
uint64_t Serve(const DescriptorChain& chain) {
  Buffers readable = chain.readable();
  std::array<std::byte, 16> header;
  static_cast<void>(readable.TakeFront(header));
  Buffers writable = chain.writable();
  std::byte* const last = writable.TakeLastByte();
  if (last != nullptr) *last = std::byte{1};
  static_cast<void>(writable.PutFront(header));
  return chain.writable_bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<std::byte> low = *Memory().HostSpan(GuestAddress{0}, 0x10000);
  std::memset(low.data(), 0, low.size());
  if (size == 0) return 0;
  const Features features =
      (data[0] & 1) != 0 ? Features{kIndirectDescriptorsFeature, kEventIndexFeature} : Features{};
  std::memcpy(low.data() + ToInteger(kRings), data + 1, std::min<size_t>(size - 1, 0xf000));

  Queue queue = *Queue::Create(Memory(), kConfig, {.features = features, .state = {}});
  ChainStorage storage{QueueSize{kSize}};
  for (int i = 0; i < 64; ++i) {
    Queue::PopResult popped = queue.Pop(storage);
    if (!popped) break;
    if (!*popped) {
      if (!queue.EnableNotifications()) break;
      continue;
    }
    const uint64_t written = Serve(**popped);
    queue.Complete(std::move(**popped), written);
    static_cast<void>(queue.Publish());
  }
  return 0;
}
