#include "devices/bus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>

namespace ember {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

// Answers reads with its offset, and remembers the last write.
class EchoDevice final : public BusDevice {
 public:
  explicit EchoDevice(std::string name) : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }
  void Read(uint64_t offset, std::span<std::byte> out) override {
    out[0] = static_cast<std::byte>(offset);
    ++accesses;
  }
  void Write(uint64_t offset, std::span<const std::byte> in) override {
    last_offset = offset;
    last_len = in.size();
    ++accesses;
  }

  int accesses = 0;
  uint64_t last_offset = 0;
  size_t last_len = 0;

 private:
  std::string name_;
};

std::shared_ptr<EchoDevice> Device(std::string name = "echo") {
  return std::make_shared<EchoDevice>(std::move(name));
}

TEST(BusTest, AnAccessGoesToTheDeviceThatHoldsItWithAnOffsetFromItsBase) {
  Bus bus;
  const auto low = Device();
  const auto high = Device();
  ASSERT_TRUE(bus.Insert({0x3f8, 8}, high).has_value());
  ASSERT_TRUE(bus.Insert({0x60, 5}, low).has_value());

  std::byte value{};
  EXPECT_TRUE(bus.Read(0x3fd, {&value, 1}));
  EXPECT_EQ(value, std::byte{5});
  EXPECT_TRUE(bus.Write(0x64, {&value, 1}));
  EXPECT_EQ(low->last_offset, 4u);
  EXPECT_EQ(high->accesses, 1);
}

TEST(BusTest, AnAccessWhereNoDeviceIsReadsZeroAndSaysSo) {
  Bus bus;
  ASSERT_TRUE(bus.Insert({0x100, 0x10}, Device()).has_value());
  for (const uint64_t address : {uint64_t{0}, uint64_t{0xff}, uint64_t{0x110}, kMax}) {
    std::byte value{0xff};
    EXPECT_FALSE(bus.Read(address, {&value, 1})) << address;
    EXPECT_EQ(value, std::byte{0}) << address;
    EXPECT_FALSE(bus.Write(address, {&value, 1})) << address;
  }
}

TEST(BusTest, AnEmptyBusHoldsNothing) {
  const Bus bus;
  std::byte value{0xff};
  EXPECT_FALSE(bus.Read(0, {&value, 1}));
  EXPECT_EQ(value, std::byte{0});
}

TEST(BusTest, AnAccessOverTheEndOfADeviceIsRefusedEvenWhereTheNextBegins) {
  Bus bus;
  const auto first = Device();
  const auto second = Device();
  ASSERT_TRUE(bus.Insert({0x100, 4}, first).has_value());
  ASSERT_TRUE(bus.Insert({0x104, 4}, second).has_value());
  std::array<std::byte, 8> bytes{};
  bytes.fill(std::byte{0xff});
  EXPECT_FALSE(bus.Read(0x103, std::span(bytes).first(2)));
  EXPECT_EQ(bytes[0], std::byte{0});
  EXPECT_FALSE(bus.Write(0x101, std::span(bytes).first(4)));
  EXPECT_FALSE(bus.Write(0x100, bytes));
  EXPECT_EQ(first->accesses + second->accesses, 0);
  EXPECT_TRUE(bus.Write(0x100, std::span(bytes).first(4)));
  EXPECT_EQ(first->last_len, 4u);
}

TEST(BusTest, OnlyAccessesOfOneTwoFourAndEightBytesReachADevice) {
  Bus bus;
  const auto device = Device();
  ASSERT_TRUE(bus.Insert({0, 64}, device).has_value());
  std::array<std::byte, 16> bytes{};
  for (size_t len = 0; len <= bytes.size(); ++len) {
    const bool good = len == 1 || len == 2 || len == 4 || len == 8;
    bytes.fill(std::byte{0xff});
    EXPECT_EQ(bus.Read(1, std::span(bytes).first(len)), good) << len;
    if (!good) {
      EXPECT_THAT(std::span(bytes).first(len), Each(std::byte{0})) << len;
    }
    EXPECT_EQ(bus.Write(1, std::span(bytes).first(len)), good) << len;
  }
}

TEST(BusTest, AnOverlapNamesBothDevicesAndBothRanges) {
  Bus bus;
  ASSERT_TRUE(bus.Insert({0x3f8, 8}, Device("serial")).has_value());
  for (const Bus::Range range : {Bus::Range{0x3ff, 1}, Bus::Range{0x3f0, 9}, Bus::Range{0x3f8, 8},
                                 Bus::Range{0x3fa, 2}, Bus::Range{0x3f0, 0x20}}) {
    const Status status = bus.Insert(range, Device("other"));
    ASSERT_FALSE(status.has_value()) << range.base;
    EXPECT_THAT(status.error().message(),
                AllOf(HasSubstr(" of other overlaps [0x3f8, 0x400) of serial")));
  }
  const Status status = bus.Insert({0x3fa, 2}, Device("other"));
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), HasSubstr("[0x3fa, 0x3fc) of other"));
}

TEST(BusTest, AnOverlapIsFoundAmongManyDevices) {
  Bus bus;
  for (uint64_t i = 0; i < 64; ++i) {
    const uint64_t shuffled = (i * 29) % 64;
    ASSERT_TRUE(bus.Insert({shuffled * 0x20, 0x10}, Device()).has_value()) << i;
  }
  for (uint64_t i = 0; i < 64; ++i) {
    EXPECT_FALSE(bus.Insert({i * 0x20 + 0xf, 2}, Device()).has_value()) << i;
    EXPECT_TRUE(bus.Insert({i * 0x20 + 0x10, 0x10}, Device()).has_value()) << i;
  }
  std::byte value{};
  for (uint64_t address = 0; address < 0x800; ++address) {
    EXPECT_TRUE(bus.Read(address, {&value, 1}));
    EXPECT_EQ(value, static_cast<std::byte>(address % 0x10));
  }
}

TEST(BusTest, NeighboursDoNotOverlap) {
  Bus bus;
  ASSERT_TRUE(bus.Insert({0x100, 0x10}, Device()).has_value());
  EXPECT_TRUE(bus.Insert({0x110, 0x10}, Device()).has_value());
  EXPECT_TRUE(bus.Insert({0xf0, 0x10}, Device()).has_value());
}

TEST(BusTest, AnEmptyRangeIsRefused) {
  Bus bus;
  const Status status = bus.Insert({0x100, 0}, Device("nothing"));
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), AllOf(HasSubstr("nothing"), HasSubstr("empty")));
}

TEST(BusTest, ARangeThatWrapsAroundIsRefused) {
  Bus bus;
  const Status status = bus.Insert({kMax - 3, 8}, Device("wide"));
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), AllOf(HasSubstr("wide"), HasSubstr("wraps")));
  EXPECT_FALSE(bus.Insert({1, kMax}, Device()).has_value());
  EXPECT_TRUE(bus.Insert({0, kMax}, Device()).has_value());
}

}  // namespace
}  // namespace ember
