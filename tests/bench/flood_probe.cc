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
#include <cstring>
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
#include "tests/virtio/driver/fake_mem_slots.h"
#include "tests/virtio/driver/guest_ram.h"
#include "tests/virtio/driver/mmio_driver.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/block/block_device.h"
#include "virtio/block/disk_file.h"
#include "virtio/console/console_device.h"
#include "virtio/device_state.h"
#include "virtio/mem/mem_device.h"
#include "virtio/net/net_device.h"
#include "virtio/net/stream_link.h"
#include "virtio/pmem/pmem_device.h"
#include "virtio/pmem/pmem_file.h"
#include "virtio/rng/entropy_source.h"
#include "virtio/rng/rng_device.h"
#include "virtio/vsock/vsock_device.h"

namespace ember::virtio::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kMostQueues = 8;
constexpr uint16_t kMostDescriptors = 64;
constexpr int kTurnsPerLife = 8;

// A peer on the host or a client; gets a turn before each of the device's.
using Peer = std::function<void(DeviceState&)>;

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
  // A request's second eight bytes are often an address in `named`, where that is not empty.
  explicit WildDriver(VirtioDevice& device, GuestRam ram = GuestRam(), GuestRange named = {})
      : rig_(device, std::move(ram)), named_(named) {
    const size_t queues = std::min(device.max_queue_sizes().size(), kMostQueues);
    for (size_t i = 0; i < queues; ++i) {
      const uint16_t size = std::min(ToInteger(device.max_queue_sizes()[i]), kMostDescriptors);
      rings_.emplace_back(rig_.ram, size);
    }
  }

  // Makes all of the guest's memory resident, so that it does not show in what grows.
  void FillMemory() {
    for (const GuestRange& range : {GuestRam::kLow, GuestRam::kHigh}) {
      for (std::byte& byte : rig_.ram.Bytes(range.start, range.size_bytes)) byte = std::byte{0x11};
    }
  }

  // One life of the driver, from reset to reset.
  void Live(const Peer& peer) {
    const uint64_t declined = Below(2) == 0 ? 0 : random_() & ~kVersion1Feature;
    rig_.driver.Negotiate(rig_.driver.DeviceFeatures() & ~declined);
    for (size_t i = 0; i < rings_.size(); ++i) {
      Fill(rings_[i]);
      rig_.driver.EnableQueue(static_cast<uint32_t>(i), rings_[i].place());
    }
    rig_.driver.AddStatus(kDriverOk);
    for (int turn = 0; turn < kTurnsPerLife; ++turn) {
      if (peer) peer(rig_.state());
      rig_.driver.Notify(Below(static_cast<uint32_t>(rings_.size())));
      rig_.PumpOnce();
    }
    rig_.driver.Write(reg::kStatus, 0);
  }

 private:
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

  // Mostly of the right shape, and half of the rings are all requests of two buffers and answers of
  // one, or nothing would get far.
  void Fill(DriverRing& ring) {
    const bool tidy = Below(2) == 0;
    ring.StartAt(0);
    for (uint16_t i = 0; i < ring.size(); ++i) {
      const bool sane = Below(tidy ? 4096 : 16) != 0;
      const uint64_t at = sane ? Below(GuestRam::kLow.size_bytes - 65536) : random_();
      const auto next = static_cast<uint16_t>(sane ? i + 1U : random_());
      const uint32_t shape = tidy ? 1 + i % 2U : Below(4);
      const auto flags = static_cast<uint16_t>(sane ? shape : random_());
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
    if (named_.size_bytes == 0 || Below(4) == 0) return;
    const uint64_t address = ToInteger(named_.start) + random_() % named_.size_bytes;
    const uint64_t block = address / kMemBlock * kMemBlock;
    std::memcpy(rig_.ram.Bytes(GuestAddress{at + 8}, sizeof(block)).data(), &block, sizeof(block));
  }

  Rig rig_;
  const GuestRange named_;
  std::vector<DriverRing> rings_;
  std::mt19937_64 random_{1};
};

// The growth in MiB over `duration`.
double Flood(WildDriver& driver, std::chrono::seconds duration, const Peer& peer) {
  const auto resident_at = [&](SteadyClock::time_point end) {
    while (SteadyClock::now() < end) driver.Live(peer);
    driver.FillMemory();
    return ResidentMib();
  };
  const auto began = SteadyClock::now();
  const double before = resident_at(began + duration / 10);
  return resident_at(began + duration) - before;
}
double Flood(VirtioDevice& device, std::chrono::seconds duration, const Peer& peer = nullptr) {
  WildDriver driver(device);
  return Flood(driver, duration, peer);
}

// An empty file, there while this lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(off_t size_bytes) {
    const Fd file(::mkstemp(path_.data()));
    if (!file.valid() || ::ftruncate(file.get(), size_bytes) < 0) std::abort();
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/flood_probe.XXXXXX";
};

double FloodBlock(std::chrono::seconds duration) {
  const TemporaryFile file(1 << 20);
  const auto device = *BlockDevice::Create(*DiskFile::Open(file.path(), Access::kReadWrite),
                                           {.drive_id = "flooded"});
  return Flood(*device, duration);
}

double FloodPmem(std::chrono::seconds duration) {
  const TemporaryFile file(1 << 20);
  const auto device = *PmemDevice::Create(*PmemFile::Open(file.path(), Access::kReadWrite),
                                          {.id = "flooded", .start = uint64_t{1} << 40});
  return Flood(*device, duration);
}

double FloodRng(std::chrono::seconds duration) {
  const auto device = *RngDevice::Create(CreateHostEntropySource(), {});
  return Flood(*device, duration);
}

// A client that wants more, less, free pages and statistics, never content.
double FloodBalloon(std::chrono::seconds duration) {
  const auto device = *BalloonDevice::Create({.deflate_on_oom = true,
                                              .statistics_interval = std::chrono::seconds(1),
                                              .free_page_hinting = true,
                                              .free_page_reporting = true});
  uint64_t turn = 0;
  return Flood(*device, duration, [&](DeviceState& state) {
    ++turn;
    state.WithDevice([&] {
      // Refused unless the driver is up.
      static_cast<void>(device->SetTarget(turn * 7 % 2048));
      static_cast<void>(device->StartHinting(Hinting::OnStop::kAcknowledge));
      static_cast<void>(device->SetStatisticsInterval(std::chrono::seconds(1 + turn % 2)));
      static_cast<void>(device->statistics());
    });
  });
}

// A client that wants another size all the time.
double FloodMem(std::chrono::seconds duration) {
  GuestRam ram(MemOptions());
  const auto device = *MemDevice::Create(
      {.memory = ram.memory(),
       .slot_bytes = kMemSlot,
       .slots = std::make_unique<FakeMemSlots>(std::make_shared<FakeMemSlots::Record>())});
  WildDriver driver(*device, std::move(ram),
                    {.start = GuestAddress{kMemStart}, .size_bytes = kMemBytes});
  uint64_t turn = 0;
  return Flood(driver, duration, [&](DeviceState& state) {
    ++turn;
    state.WithDevice([&] {
      static_cast<void>(device->SetRequestedSize(turn * 7 % kMemSlots * kMemSlot));  // if it is up
    });
  });
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
  return Flood(*device, duration, [&](DeviceState& /*state*/) {
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
    growth = Flood(*device, duration, [&](DeviceState& /*state*/) {
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
    growth = Flood(*device, duration, [&](DeviceState& /*state*/) { clients.Turn(); });
  }
  ::rmdir(directory.c_str());
  return growth;
}

int Run(std::chrono::seconds duration) {
  ConfigureLog({.level = LogLevel::kOff, .instance_id = {}});
  const std::vector<std::pair<const char*, double (*)(std::chrono::seconds)>> floods{
      {"block", FloodBlock}, {"net", FloodNet},   {"console", FloodConsole},
      {"vsock", FloodVsock}, {"rng", FloodRng},   {"balloon", FloodBalloon},
      {"mem", FloodMem},     {"pmem", FloodPmem},
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
