#ifndef EMBER_TESTS_VIRTIO_MMIO_FIXTURE_H_
#define EMBER_TESTS_VIRTIO_MMIO_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/fake_device.h"
#include "tests/virtio/driver/rig.h"

namespace ember::virtio::testing {

// A FakeDevice behind the MMIO transport, and a ring for its queue 0.
class MmioTransportTest : public ::testing::Test {
 protected:
  uint64_t ignored() { return rig.state().metrics().ignored_accesses.value(); }
  void Start(uint64_t features = kVersion1Feature) { driver.Start(features, ring.place()); }

  FakeDevice device;
  Rig rig{device};
  const MmioDriver& driver = rig.driver;
  DriverRing ring{rig.ram, 16};
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_MMIO_FIXTURE_H_
