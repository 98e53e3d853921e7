#ifndef EMBER_TESTS_FIRMWARE_SAMPLE_PLATFORM_H_
#define EMBER_TESTS_FIRMWARE_SAMPLE_PLATFORM_H_

#include <cstddef>
#include <cstdint>

#include "firmware/platform.h"

namespace ember::firmware {

struct SampleSize {
  uint32_t processors = 2;
  size_t virtio_devices = 3;
};

// A machine with everything on it. Virtio device n is at 0xd0000000 + n pages with GSI 5 + n,
// starting again at 5 after 23.
inline Platform SamplePlatform(const SampleSize& size = {}) {
  constexpr uint64_t kPage = 0x1000;
  constexpr uint64_t kFirstGsi = 5;
  constexpr uint64_t kGsis = 19;
  Platform platform{
      .ram = {{GuestAddress{0}, 0xc000'0000}, {GuestAddress{0x1'0000'0000}, 0x4000'0000}},
      .serial = SerialPort{.port = 0x3f8, .port_count = 8, .gsi = Gsi{4}},
      .power = PowerControl{.gsi = Gsi{9},
                            .event_register = 0xc000'1000,
                            .sleep_control_port = 0x600,
                            .sleep_status_port = 0x601},
      .panic_port = 0x505,
      .has_i8042 = true,
      .generation_id = GuestAddress{0xf'e000},
      .vm_clock = GuestRange{GuestAddress{0xf'd000}, 0x1000}};
  for (uint32_t id = 0; id < size.processors; ++id) platform.apic_ids.push_back(id);
  for (uint64_t i = 0; i < size.virtio_devices; ++i) {
    platform.virtio_mmio.push_back({.range = {GuestAddress{0xd000'0000 + i * kPage}, kPage},
                                    .gsi = Gsi{static_cast<uint32_t>(kFirstGsi + i % kGsis)}});
  }
  return platform;
}

// A machine with nothing but one processor.
inline Platform BarePlatform() { return {.ram = {{GuestAddress{0}, 0x800'0000}}, .apic_ids = {0}}; }

}  // namespace ember::firmware

#endif  // EMBER_TESTS_FIRMWARE_SAMPLE_PLATFORM_H_
