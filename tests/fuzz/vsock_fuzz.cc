// A vsock device whose packets, rings, host clients and their bytes are the input: one step a byte,
// with its operands behind it.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/unix_socket.h"
#include "tests/base/fake_clock.h"
#include "tests/base/temporary_directory.h"
#include "tests/fuzz/confinement.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/driver/vsock_driver.h"
#include "tests/virtio/vsock/host_end.h"
#include "virtio/vsock/vsock_device.h"

namespace {

using ember::ConnectUnix;
using ember::UnixListener;
using namespace ember::virtio;           // NOLINT(google-build-using-namespace)
using namespace ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr int kMaxWakeUps = 16;
constexpr size_t kMaxHosts = 16;
constexpr uint32_t kListeningPort = 52;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }
  uint32_t Word() {
    uint32_t word = 0;
    for (int shift = 4; shift < 28; shift += 8) word |= uint32_t{Byte()} << shift;
    return word;
  }
  std::string Bytes() {
    const size_t wanted = Byte();
    const size_t count = std::min(wanted, rest_.size());
    std::string bytes(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(count));
    rest_ = rest_.subspan(count);
    return bytes;
  }

 private:
  std::span<const uint8_t> rest_;
};

class Scene {
 public:
  explicit Scene(const std::string& path)
      : path_(path),
        device_(*VsockDevice::Create({.guest_cid = 3, .uds_path = path, .clock = clock_})),
        listener_(*UnixListener::Bind(path + "_" + std::to_string(kListeningPort))) {}

  void Step(Input& in) {
    switch (in.Byte() % 12) {
      case 0:
      case 1:
        return SendPacket(in, /*raw=*/false);
      case 2:
        return SendPacket(in, /*raw=*/true);
      case 3:
        return Connect(in.Bytes());
      case 4:
        if (HostEnd* const host = Host(in)) host->Write(in.Bytes());
        return;
      case 5:
        if (HostEnd* const host = Host(in)) host->Write(std::string(in.Word() % 300000, 'h'));
        return;
      case 6:
        if (HostEnd* const host = Host(in)) host->Read();
        return;
      case 7:
        if (HostEnd* const host = Host(in)) host->ShutDown(in.Byte() % 3);
        return;
      case 8:
        if (HostEnd* const host = Host(in)) host->Close();
        return;
      case 9:
        clock_.Advance(std::chrono::milliseconds(in.Byte()) * 64);
        return rig_.state().ProcessHostEvents();
      case 10:
        return Scribble(in);
      default:
        return Control(in);
    }
  }

  void Work() {
    for (int i = 0; i < kMaxWakeUps && rig_.PumpOnce(); ++i) {
    }
    while (auto accepted = listener_.Accept()) AddHost(*std::move(accepted));
  }

 private:
  void AddHost(ember::Fd fd) {
    if (hosts_.size() < kMaxHosts) hosts_.emplace_back(std::move(fd));
  }
  HostEnd* Host(Input& in) { return hosts_.empty() ? nullptr : &hosts_[in.Byte() % hosts_.size()]; }

  void Connect(const std::string& line) {
    auto client = ConnectUnix(path_);
    if (!client) return;
    const HostEnd end(*std::move(client));
    AddHost(ember::Fd(::dup(end.fd().get())));
    end.Write(line);
  }

  // Ports and operations that meet connections often; a raw one takes all its fields as they come.
  void SendPacket(Input& in, bool raw) {
    if (broken_ || !driver_.can_put()) return;
    VsockHeader header{.src_cid = 3, .dst_cid = 2, .type = kVsockStream};
    std::string payload;
    if (raw) {
      const std::string bytes = in.Bytes();
      std::memcpy(&header, bytes.data(), std::min(bytes.size(), sizeof(header)));
    } else {
      const uint8_t ports = in.Byte();
      header.src_port = ports % 4;
      header.dst_port =
          (ports & 4) != 0 ? kListeningPort : ConnectionTable::kFirstHostPort + ports / 8;
      header.op = in.Byte() % 9;
      header.flags = in.Byte() % 4;
      header.buf_alloc = in.Word();
      header.fwd_cnt = in.Word();
      payload = std::string(in.Word() % 65536, 'g');
      header.len = static_cast<uint32_t>(payload.size());
    }
    driver_.Send(header, payload);
  }

  void Scribble(Input& in) {
    std::array<DriverRing*, 3> rings{&driver_.rx(), &driver_.tx(), &driver_.event()};
    const size_t which = in.Byte() % rings.size();
    DriverRing& ring = *rings[which];
    const auto slot = static_cast<uint16_t>(in.Byte() % ring.size());
    ring.SetDescriptor(
        slot, {.addr = in.Word(), .len = in.Word() >> 4, .flags = in.Byte(), .next = in.Byte()});
    ring.SetAvailableEntry(static_cast<uint16_t>(in.Byte() % ring.size()), slot);
    ring.SetAvailableIndex(static_cast<uint16_t>(ring.used_index() + in.Byte() % 80));
    rig_.driver.Notify(static_cast<uint32_t>(which));
    broken_ = true;  // the driver's own books are wrong from here to the next reset
  }

  void Control(Input& in) {
    switch (in.Byte() % 4) {
      case 0:
        rig_.driver.Write(reg::kStatus, 0);
        driver_.Start();
        broken_ = false;
        return;
      case 1:
        return rig_.state().WithDevice([this] { device_->ResetTransport(); });
      case 2:
        if (!broken_ && driver_.event().free_descriptors() > 0) driver_.OfferEvent();
        return;
      default:
        while (!broken_ && driver_.Receive()) {
        }
    }
  }

  const std::string path_;
  ember::FakeClock clock_;
  std::unique_ptr<VsockDevice> device_;
  UnixListener listener_;
  Rig rig_{*device_, /*track_dirty_pages=*/true};
  VsockDriver driver_{rig_, {.rx_buffers = 8, .rx_buffer_bytes = 1024}};
  bool broken_ = false;
  std::vector<HostEnd> hosts_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto directory =
      ember::fuzz::MakeUnconfined([] { return ember::TemporaryDirectory(); });
  ember::ConfigureLog({.level = ember::LogLevel::kOff, .instance_id = {}});
  Scene scene(directory.Path("v"));
  Input in(data, size);
  while (!in.empty()) {
    scene.Step(in);
    scene.Work();
  }
  return 0;
}
