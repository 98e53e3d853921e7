// flood_probe SECONDS: how much more memory the process holds after each device was flooded for
// that long: by a guest that fills rings with garbage and resets, and by a peer on the host that
// sends and never reads. Prints
//   {"block": MiB, "net": MiB, …}
// each the resident size at the end less that after the first tenth.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/mmio_driver.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/block/block_device.h"
#include "virtio/block/disk_file.h"
#include "virtio/console/console_device.h"
#include "virtio/net/net_device.h"
#include "virtio/net/stream_link.h"
#include "virtio/vsock/vsock_device.h"

namespace ember::virtio::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kMostQueues = 8;
constexpr uint16_t kMostDescriptors = 64;
constexpr int kTurnsPerLife = 8;

double ResidentMib() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "r"),
                                                   &std::fclose);
  unsigned long pages = 0;
  if (!file || std::fscanf(file.get(), "%*u %lu", &pages) != 1) std::abort();
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// A driver that sets a device up, fills its rings with whatever comes to mind, and begins anew.
class WildDriver {
 public:
  explicit WildDriver(VirtioDevice& device) : rig_(device) {
    const size_t queues = std::min(device.max_queue_sizes().size(), kMostQueues);
    for (size_t i = 0; i < queues; ++i) {
      const uint16_t size = std::min(ToInteger(device.max_queue_sizes()[i]), kMostDescriptors);
      rings_.emplace_back(rig_.ram, size);
    }
    // All of the guest's memory is resident from the start, and none of it zero.
    const GuestRange low = GuestRam::kLow;
    for (std::byte& byte : rig_.ram.Bytes(low.start, low.size_bytes)) byte = std::byte{0x11};
  }

  // One life of the driver, from reset to reset; `host` gets a turn after each of the device's.
  void Live(const std::function<void()>& host) {
    const uint64_t declined = Below(2) == 0 ? 0 : random_() & ~kVersion1Feature;
    rig_.driver.Negotiate(rig_.driver.DeviceFeatures() & ~declined);
    for (size_t i = 0; i < rings_.size(); ++i) {
      Fill(rings_[i]);
      rig_.driver.EnableQueue(static_cast<uint32_t>(i), rings_[i].place());
    }
    rig_.driver.AddStatus(kDriverOk);
    for (int turn = 0; turn < kTurnsPerLife; ++turn) {
      rig_.driver.Notify(Below(static_cast<uint32_t>(rings_.size())));
      rig_.PumpOnce();
      if (host) host();
    }
    rig_.driver.Write(reg::kStatus, 0);
  }

 private:
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

  // Mostly of the right shape, or nothing would get far.
  void Fill(DriverRing& ring) {
    ring.StartAt(0);
    for (uint16_t i = 0; i < ring.size(); ++i) {
      const bool sane = Below(16) != 0;
      const uint64_t at = sane ? Below(GuestRam::kLow.size_bytes - 65536) : random_();
      const auto next = static_cast<uint16_t>(sane ? i + 1U : random_());
      const auto flags = static_cast<uint16_t>(sane ? Below(4) : random_());
      ring.SetDescriptor(i, {.addr = at, .len = Below(65536), .flags = flags, .next = next});
      ring.SetAvailableEntry(i, static_cast<uint16_t>(Below(ring.size())));
      Scribble(at);
    }
    ring.SetAvailableIndex(static_cast<uint16_t>(Below(ring.size() + 1U)));
  }
  // Small numbers, as types, commands and lengths are, where a buffer may begin.
  void Scribble(uint64_t at) {
    if (at + 64 > GuestRam::kLow.size_bytes) return;
    for (std::byte& byte : rig_.ram.Bytes(GuestAddress{at}, 64)) {
      byte = static_cast<std::byte>(Below(3) == 0 ? Below(16) : 0);
    }
  }

  Rig rig_;
  std::vector<DriverRing> rings_;
  std::mt19937_64 random_{1};
};

// The growth in MiB over `duration`.
double Flood(VirtioDevice& device, std::chrono::seconds duration,
             const std::function<void()>& host = nullptr) {
  WildDriver driver(device);
  const auto live_until = [&](SteadyClock::time_point end) {
    while (SteadyClock::now() < end) driver.Live(host);
  };
  const auto began = SteadyClock::now();
  live_until(began + duration / 10);
  const double before = ResidentMib();
  live_until(began + duration);
  return ResidentMib() - before;
}

double FloodBlock(std::chrono::seconds duration) {
  std::string path = "/tmp/flood_probe.XXXXXX";
  const Fd file(::mkstemp(path.data()));
  if (!file.valid() || ::ftruncate(file.get(), 1 << 20) < 0) std::abort();
  const auto device =
      *BlockDevice::Create(*DiskFile::Open(path, Access::kReadWrite), {.drive_id = "flooded"});
  ::unlink(path.c_str());
  return Flood(*device, duration);
}

// The peer sends frames for ever and never reads.
double FloodNet(std::chrono::seconds duration) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) std::abort();
  const Fd peer(ends[0]);
  const auto device =
      *NetDevice::Create(*StreamLink::Adopt(Fd(ends[1]), "flooded"), {.interface_id = "flooded"});
  std::array<std::byte, 4096> frame{};
  frame[2] = std::byte{0x0f};  // a length of 4092 before it, most significant byte first
  frame[3] = std::byte{0xfc};
  size_t sent = 0;  // of the frame that is on its way
  return Flood(*device, duration, [&] {
    for (;;) {
      const ssize_t count =
          ::send(peer.get(), frame.data() + sent, frame.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count <= 0) break;
      sent = (sent + static_cast<size_t>(count)) % frame.size();
    }
  });
}

// Clients of a device's socket that come, say `greeting`, send what the guest never asked for,
// read nothing, and go.
class Clients {
 public:
  Clients(std::string path, std::string_view greeting)
      : path_(std::move(path)), greeting_(greeting) {}

  void Turn() {
    Fd& client = clients_[turn_++ % clients_.size()];
    client = Connect();
    static_cast<void>(::send(client.get(), greeting_.data(), greeting_.size(), kFlags));
    for (const Fd& each : clients_) {
      while (each.valid() && ::send(each.get(), bytes_.data(), bytes_.size(), kFlags) > 0) {
      }
    }
  }

 private:
  static constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

  // Invalid where the device lets nobody in now.
  Fd Connect() const {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    // The sockets API takes every address by its common head.
    const auto* const head = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(fd.get(), head, sizeof(address)) < 0 ? Fd() : std::move(fd);
  }

  const std::string path_;
  const std::string_view greeting_;
  std::array<Fd, 16> clients_;
  std::array<std::byte, 4096> bytes_{};
  size_t turn_ = 0;
};

// Clients of the port as of its control socket, beside a guest that writes without end.
double FloodConsole(std::chrono::seconds duration) {
  std::string directory = "/tmp/flood_probe.XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) std::abort();
  const std::string path = directory + "/console";
  double growth = 0;
  {
    const auto device = *ConsoleDevice::Create(
        {.ports = {{.name = "flooded", .socket_path = path, .is_console = true}}});
    Clients readers(path, "");
    Clients terminals(path + ".ctl", "resize 80 25\n");
    growth = Flood(*device, duration, [&] {
      readers.Turn();
      terminals.Turn();
    });
  }
  ::rmdir(directory.c_str());
  return growth;
}

double FloodVsock(std::chrono::seconds duration) {
  std::string directory = "/tmp/flood_probe.XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) std::abort();
  const std::string path = directory + "/vsock";
  double growth = 0;
  {
    const auto device = *VsockDevice::Create({.guest_cid = 3, .uds_path = path});
    Clients clients(path, "CONNECT 1234\n");
    growth = Flood(*device, duration, [&] { clients.Turn(); });
  }
  ::rmdir(directory.c_str());
  return growth;
}

int Run(std::chrono::seconds duration) {
  ConfigureLog({.level = LogLevel::kOff, .instance_id = {}});
  const std::vector<std::pair<const char*, double (*)(std::chrono::seconds)>> floods{
      {"block", FloodBlock},
      {"net", FloodNet},
      {"console", FloodConsole},
      {"vsock", FloodVsock},
  };
  for (size_t i = 0; i < floods.size(); ++i) {
    std::printf("%s\"%s\": %.3f", i == 0 ? "{" : ", ", floods[i].first, floods[i].second(duration));
  }
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: flood_probe SECONDS\n");
    return 2;
  }
  return ember::virtio::testing::Run(std::chrono::seconds(std::atoi(argv[1])));
}
