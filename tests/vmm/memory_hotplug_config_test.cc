#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "memory/address_allocator.h"
#include "tests/vmm/fake_machine.h"
#include "vmm/memory_hotplug/memory_hotplug_device.h"
#include "vmm/preboot_controller.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Fault(const MemoryHotplugConfig& memory) {
  const Status status = Validate(memory);
  return status ? "" : status.error().message();
}

TEST(MemoryHotplugConfigTest, SizesAreWholeBlocksAndSlots) {
  EXPECT_EQ(Fault({.total_size_mib = 128}), "");
  EXPECT_EQ(Fault({.total_size_mib = 256, .block_size_mib = 128}), "");
  EXPECT_EQ(Fault({.total_size_mib = 390, .slot_size_mib = 130}), "");
  EXPECT_EQ(Fault({.total_size_mib = UINT32_MAX - 127}), "");
  EXPECT_EQ(
      Fault({.total_size_mib = 1U << 31, .block_size_mib = 1U << 31, .slot_size_mib = 1U << 31}),
      "");
}

TEST(MemoryHotplugConfigTest, EachBoundIsAnErrorWithBothValues) {
  EXPECT_EQ(Fault({.total_size_mib = 1024, .block_size_mib = 1}),
            "Block size must not be lower than 2 MiB: block_size_mib is 1");
  EXPECT_EQ(Fault({.total_size_mib = 1024, .block_size_mib = 0}),
            "Block size must not be lower than 2 MiB: block_size_mib is 0");
  EXPECT_EQ(Fault({.total_size_mib = 1024, .block_size_mib = 3}),
            "Block size must be a power of 2: block_size_mib is 3");
  EXPECT_EQ(Fault({.total_size_mib = 1024, .slot_size_mib = 127}),
            "Slot size must not be lower than 128 MiB: slot_size_mib is 127");
  EXPECT_EQ(Fault({.total_size_mib = 1024, .slot_size_mib = 129}),
            "Slot size must be a multiple of block size (2 MiB): slot_size_mib is 129");
  EXPECT_EQ(Fault({.total_size_mib = 1024, .block_size_mib = 256}),
            "Slot size must be a multiple of block size (256 MiB): slot_size_mib is 128");
  EXPECT_EQ(Fault({.total_size_mib = 127}),
            "Total size must not be lower than slot size (128 MiB): total_size_mib is 127");
  EXPECT_EQ(Fault({.total_size_mib = 0}),
            "Total size must not be lower than slot size (128 MiB): total_size_mib is 0");
  EXPECT_EQ(Fault({.total_size_mib = 129}),
            "Total size must be a multiple of slot size (128 MiB): total_size_mib is 129");
  EXPECT_THAT(Fault({.total_size_mib = UINT32_MAX}), StartsWith("Total size must be a multiple"));
}

TEST(MemoryHotplugConfigTest, APutReplacesTheOneBeforeAndAnErrorLeavesIt) {
  FakeMachineRoom room;
  PrebootController controller(room.factory());
  EXPECT_TRUE(controller.Perform(PutMemoryHotplug{{.total_size_mib = 1024}}));
  EXPECT_TRUE(controller.Perform(PutMemoryHotplug{{.total_size_mib = 2048}}));
  EXPECT_FALSE(controller.Perform(PutMemoryHotplug{{.total_size_mib = 1}}));
  EXPECT_EQ(controller.config().memory_hotplug, (MemoryHotplugConfig{.total_size_mib = 2048}));
}

TEST(MemoryHotplugSpaceTest, LiesWhereGuestsCanUseAllOfIt) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  AddressAllocator addresses({.start = GuestAddress{5 * kGib}, .size_bytes = 1024 * kGib});
  const auto pluggable = TakePluggable({.total_size_mib = 384, .block_size_mib = 4}, addresses);
  ASSERT_TRUE(pluggable.has_value());
  EXPECT_EQ(pluggable->range,
            (GuestRange{.start = GuestAddress{6 * kGib}, .size_bytes = uint64_t{384} << 20}));
  EXPECT_EQ(pluggable->block_bytes, uint64_t{4} << 20);
  // Whatever follows it.
  EXPECT_EQ(addresses.Take(4096, 4096)->start, pluggable->range.end());
}

TEST(MemoryHotplugSpaceTest, MoreThanProcessorsCanAddressIsAnError) {
  AddressAllocator addresses(
      {.start = GuestAddress{uint64_t{1} << 32}, .size_bytes = uint64_t{1} << 36});
  const auto pluggable = TakePluggable({.total_size_mib = UINT32_MAX - 127}, addresses);
  ASSERT_FALSE(pluggable.has_value());
  EXPECT_THAT(pluggable.error().message(), HasSubstr("no room for 4503599493152768 bytes"));
}

}  // namespace
}  // namespace ember::vmm
