#ifndef EMBER_TESTS_VIRTIO_NET_NET_BENCH_H_
#define EMBER_TESTS_VIRTIO_NET_NET_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "tests/base/fake_clock.h"
#include "tests/virtio/driver/fake_net_backend.h"
#include "tests/virtio/driver/net_driver.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/net/net_device.h"

namespace ember::virtio::testing {

inline constexpr MacAddress kAddress{{0x06, 0x00, 0xc0, 0xa8, 0x00, 0x01}};

// A network device over a FakeNetBackend, with a driver that has brought it up.
struct NetBench {
  struct Options {
    NetDriver::Options driver;
    uint16_t pairs = 1;
    Features offloads = FakeNetBackend::kAllOffloads;
    NetDevice::Options device{.interface_id = "eth0", .address = kAddress};
    bool track_dirty_pages = false;
  };

  explicit NetBench(const Options& options)
      : owned_backend(std::make_unique<FakeNetBackend>(options.pairs, options.offloads)),
        backend(*owned_backend),
        device(Make(std::move(owned_backend), options.device, clock)),
        rig(*device, options.track_dirty_pages),
        driver(rig, options.driver) {}
  NetBench() : NetBench(Options{}) {}

  const NetMetrics& metrics() const { return device->metrics(); }
  bool needs_reset() const { return driver.needs_reset(); }

  static std::unique_ptr<NetDevice> Make(std::unique_ptr<FakeNetBackend> backend,
                                         NetDevice::Options options, const Clock& clock) {
    options.clock = &clock;
    return *NetDevice::Create(std::move(backend), options);
  }

  FakeClock clock;
  std::unique_ptr<FakeNetBackend> owned_backend;
  FakeNetBackend& backend;
  std::unique_ptr<NetDevice> device;
  Rig rig;
  NetDriver driver;
};

// A frame of `size` bytes from kAddress.
inline std::vector<std::byte> FrameOf(size_t size, unsigned seed = 1) {
  std::minstd_rand random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (size_t i = 0; i < 6 && size >= 12; ++i) bytes[6 + i] = std::byte{kAddress.octets[i]};
  return bytes;
}

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_NET_NET_BENCH_H_
