// Memory that comes and goes, as a processor of the guest meets it.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>
#include <vector>

#include "tests/kvm/recording_device.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/fake_interrupt_line.h"
#include "tests/virtio/driver/mmio_driver.h"
#include "virtio/mmio_transport.h"
#include "vmm/memory_hotplug/memory_hotplug_device.h"
#include "vmm/snapshot/written_pages.h"

namespace ember {
namespace {

namespace driver = virtio::testing;

constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr uint64_t kStart = uint64_t{4} << 30;
constexpr uint64_t kBlock = 2 * kMib;
constexpr uint64_t kSlot = 128 * kMib;
constexpr uint64_t kSize = 2 * kSlot;
constexpr vmm::MemoryHotplugConfig kConfig{.total_size_mib = kSize / kMib};
constexpr uint64_t kPattern = 0x8877'6655'4433'2211;
constexpr uint64_t kNothing = 7;  // what a processor reads where no memory is
constexpr uint16_t kPlug = 0;
constexpr uint16_t kUnplug = 1;
constexpr uint16_t kAck = 0;

GuestMemory::Options Options(bool track_dirty_pages) {
  return {
      .track_dirty_pages = track_dirty_pages,
      .pluggable = PluggableMemory::Options{
          .range = {.start = GuestAddress{kStart}, .size_bytes = kSize}, .block_bytes = kBlock}};
}

// The device in front of a KVM machine, its driver here, and a processor that touches memory.
class MemoryHotplugTest : public ::testing::Test {
 protected:
  explicit MemoryHotplugTest(bool track_dirty_pages = false)
      : guest_(16 * kMib, Options(track_dirty_pages)) {
    Must(guest_.mmio().Insert({.base = kStart, .size_bytes = kSize}, nothing_));
    constexpr uint64_t kInaccessibleFeature = 1 << 1;
    driver_.Start(kInaccessibleFeature | driver::kVersion1Feature, place_);
    transport_->state().WithDevice(
        [&] { Must(vmm::Update(*device_, {.requested_size_mib = kConfig.total_size_mib})); });
  }

  // A request of the driver's, answered.
  uint16_t Do(uint16_t type, uint64_t offset, uint16_t blocks) {
    Must(guest_.memory().Write(kRequest, type));
    Must(guest_.memory().Write(kRequest + 8, kStart + offset));
    Must(guest_.memory().Write(kRequest + 16, blocks));
    ring_.Add({{kRequest, 24, false}, {kResponse, 10, true}});
    ring_.Publish();
    driver_.Notify(0);
    while (!ring_.TakeUsed()) transport_->state().ProcessQueue(virtio::QueueIndex{0});
    return Must(guest_.memory().Read<uint16_t>(kResponse));
  }
  // Has a processor write the pattern there, and returns what it then reads there.
  uint64_t WriteAndRead(uint64_t offset) {
    PayloadCode code;
    code.MovRbx(kStart + offset).MovRax(kPattern).StoreAtRbx(Width::k64);
    code.MovRax(0).LoadFromRbx(Width::k64);
    code.MovRbx(ToInteger(PayloadGuest::kData)).StoreAtRbx(Width::k64);
    const std::unique_ptr<kvm::Vcpu> vcpu = guest_.CreateVcpu(vcpus_++, code.Finish());
    nothing_->AnswerWith(kNothing);
    guest_.RunUntilDone(*vcpu);
    return guest_.ReadData();
  }
  uint64_t ResidentPages() const {
    std::vector<unsigned char> pages(kSize / 4096);
    if (::mincore(guest_.memory().pluggable()->host(), kSize, pages.data()) < 0) return UINT64_MAX;
    uint64_t count = 0;
    for (const unsigned char page : pages) count += page & 1U;
    return count;
  }

  static constexpr GuestAddress kRequest{0x30'0000};
  static constexpr GuestAddress kResponse{0x30'0100};

  PayloadGuest guest_;
  std::shared_ptr<RecordingDevice> nothing_ = std::make_shared<RecordingDevice>();
  std::unique_ptr<virtio::MemDevice> device_ =
      Must(vmm::CreateMemoryHotplug(kConfig, guest_.vm(), guest_.memory()));
  driver::FakeInterruptLine line_;
  std::shared_ptr<virtio::MmioTransport> transport_ =
      Must(virtio::MmioTransport::Create(*device_, guest_.memory(), line_));
  driver::MmioDriver driver_{*transport_};
  const driver::RingPlace place_{.size = 16,
                                 .descriptors = GuestAddress{0x31'0000},
                                 .available = GuestAddress{0x31'1000},
                                 .used = GuestAddress{0x31'2000}};
  driver::DriverRing ring_{guest_.memory(), place_};
  uint32_t vcpus_ = 0;
};

TEST_F(MemoryHotplugTest, UnpluggedSlotsAreNoMemoryAndTakeNone) {
  EXPECT_EQ(WriteAndRead(0x1000), kNothing);
  EXPECT_EQ(WriteAndRead(kSize - 8), kNothing);
  EXPECT_EQ(nothing_->writes().size(), 2U);
  EXPECT_EQ(ResidentPages(), 0U);
}

TEST_F(MemoryHotplugTest, PluggedMemoryIsMemoryForProcessorsAndDevicesAlike) {
  ASSERT_EQ(Do(kPlug, kSlot, 1), kAck);
  EXPECT_EQ(WriteAndRead(kSlot + 0x1000), kPattern);
  EXPECT_EQ(Must(guest_.memory().Read<uint64_t>(GuestAddress{kStart + kSlot + 0x1000})), kPattern);
  EXPECT_TRUE(nothing_->writes().empty());
  // The other slot is not there.
  EXPECT_EQ(WriteAndRead(0x1000), kNothing);
}

TEST_F(MemoryHotplugTest, UnpluggedMemoryIsGoneAndComesBackAsZeros) {
  ASSERT_EQ(Do(kPlug, 0, 1), kAck);
  ASSERT_EQ(WriteAndRead(0), kPattern);
  ASSERT_EQ(WriteAndRead(kBlock), kPattern);  // unplugged, in a slot that is there
  ASSERT_EQ(Do(kUnplug, 0, 1), kAck);
  EXPECT_EQ(ResidentPages(), 0U);
  EXPECT_EQ(WriteAndRead(0), kNothing);
  EXPECT_EQ(ResidentPages(), 0U);
  ASSERT_EQ(Do(kPlug, 0, 2), kAck);
  EXPECT_EQ(Must(guest_.memory().Read<uint64_t>(GuestAddress{kStart})), 0U);
  EXPECT_EQ(Must(guest_.memory().Read<uint64_t>(GuestAddress{kStart + kBlock})), 0U);
}

class TrackedMemoryHotplugTest : public MemoryHotplugTest {
 protected:
  TrackedMemoryHotplugTest() : MemoryHotplugTest(true) {}
  snapshot::PageBits Take() { return Must(vmm::TakeWrittenPages(guest_.memory(), guest_.vm())); }
  // Of the memory that comes and goes.
  static bool Has(const snapshot::PageBits& pages, uint64_t offset) {
    const uint64_t page = offset / 4096;
    return (pages.at(1).at(page / 64) >> (page % 64) & 1) != 0;
  }
};

TEST_F(TrackedMemoryHotplugTest, WhatProcessorsAndDevicesWriteThereIsInADiff) {
  ASSERT_EQ(Do(kPlug, kSlot, 1), kAck);
  Take();
  ASSERT_EQ(WriteAndRead(kSlot + 0x3000), kPattern);
  Must(guest_.memory().Write<uint64_t>(GuestAddress{kStart + kSlot + 0x5000}, kPattern));
  const snapshot::PageBits pages = Take();
  EXPECT_TRUE(Has(pages, kSlot + 0x3000));
  EXPECT_FALSE(Has(pages, kSlot + 0x4000));
  EXPECT_TRUE(Has(pages, kSlot + 0x5000));
  const uint64_t data = ToInteger(PayloadGuest::kData) / 4096;
  EXPECT_NE(pages.at(0).at(data / 64) >> (data % 64) & 1, 0U) << "and in RAM";
  EXPECT_FALSE(Has(Take(), kSlot + 0x3000)) << "taken already";
  vmm::PutBackWrittenPages(guest_.memory(), pages);
  EXPECT_EQ(Take(), pages);
}

}  // namespace
}  // namespace ember
