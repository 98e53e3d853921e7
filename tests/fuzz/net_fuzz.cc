// A network device whose rings, packets and peer are the input: a back end of frames, or the stream
// protocol, whose bytes are the input too.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "tests/virtio/driver/fake_net_backend.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/net/net_device.h"
#include "virtio/net/stream_link.h"

namespace {

using ember::Fd;
using ember::GuestAddress;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

// The first bytes of the input: what the rest is for.
constexpr size_t kControlBytes = 4;
constexpr size_t kHostBytes = 2048;  // of the host's; the rest is the driver's memory
constexpr uint16_t kRingSize = 16;
constexpr uint64_t kRingBytes = 0x400;
constexpr GuestAddress kMemory{0x1000};
constexpr int kMaxWakeUps = 16;

RingPlace PlaceOf(uint32_t queue) {
  const GuestAddress at = kMemory + kRingBytes * queue;
  return {.size = kRingSize, .descriptors = at, .available = at + 0x100, .used = at + 0x200};
}

// The host's end: feeds what it has in pieces, and takes what comes.
class Host {
 public:
  Host(bool stream, uint16_t pairs, std::span<const std::byte> bytes) : bytes_(bytes) {
    if (!stream) {
      auto fake = std::make_unique<FakeNetBackend>(pairs);
      fake_ = fake.get();
      backend = std::move(fake);
      return;
    }
    std::array<int, 2> fds;
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) < 0) std::abort();
    peer_ = Fd(fds[0]);
    backend = *StreamLink::Adopt(Fd(fds[1]), "fuzz");
  }

  void Feed(size_t most) {
    const std::span<const std::byte> piece = bytes_.first(std::min(most, bytes_.size()));
    bytes_ = bytes_.subspan(piece.size());
    if (fake_ != nullptr) {
      NetFrame frame{.bytes = {piece.begin(), piece.end()}};
      if (piece.size() > sizeof(frame.header)) {
        std::memcpy(&frame.header, piece.data(), sizeof(frame.header));
      }
      fake_->Put(frame);
      while (fake_->Take()) {
      }
      return;
    }
    static_cast<void>(::send(peer_.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0);
    std::array<std::byte, 4096> sink;
    while (::recv(peer_.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0) {
    }
    if (bytes_.empty() && most % 2 == 1) peer_.Reset();
  }

  std::unique_ptr<NetBackend> backend;

 private:
  std::span<const std::byte> bytes_;
  FakeNetBackend* fake_ = nullptr;
  Fd peer_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  if (size < kControlBytes) return 0;
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  const uint8_t mode = data[0];
  const size_t piece = size_t{1} + data[1];
  const size_t for_host = std::min(kHostBytes, size_t{data[2]} * 8);
  const std::span<const std::byte> rest = input.subspan(kControlBytes);
  const std::span<const std::byte> host_bytes = rest.first(std::min(for_host, rest.size()));

  const auto pairs = static_cast<uint16_t>((mode & 2) != 0 ? 2 : 1);
  Host host((mode & 1) != 0, pairs, host_bytes);
  const std::unique_ptr<NetDevice> device = *NetDevice::Create(
      std::move(host.backend), {.interface_id = "fuzz", .address = ember::MacAddress{}});
  Rig rig(*device, /*track_dirty_pages=*/true);
  const std::span<std::byte> memory = rig.ram.Bytes(kMemory, 0xf000);
  const std::span<const std::byte> guest = rest.subspan(host_bytes.size());
  std::ranges::copy(guest.first(std::min(guest.size(), memory.size())), memory.begin());

  const uint64_t wanted = (mode & 4) != 0 ? rig.driver.DeviceFeatures()
                                          : kVersion1Feature | (uint64_t{mode & 8U} << 12);
  rig.driver.Negotiate(wanted);
  const auto queues = static_cast<uint32_t>(device->max_queue_sizes().size());
  for (uint32_t queue = 0; queue < queues; ++queue) rig.driver.EnableQueue(queue, PlaceOf(queue));
  rig.driver.AddStatus(kDriverOk);
  for (int i = 0; i < kMaxWakeUps; ++i) {
    host.Feed(piece);
    if (i % 4 == 0) rig.driver.Notify(data[3] % queues);
    if (!rig.PumpOnce()) break;
  }
  rig.driver.Write(reg::kStatus, 0);
  return 0;
}
