// Every register written in every status state, and long random walks, against a second, plain
// model of what the registers should read (shared/virtio.md, 11, 12, 14 and 15).
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/virtio/driver/fake_device.h"
#include "tests/virtio/driver/rig.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kOffered =
    FakeDevice::kFeatures.bits() | kIndirectFeature | kEventIndexFeature64 | kVersion1Feature;
constexpr uint64_t kRamEnd = GuestRam::kLow.size_bytes;

struct ModelQueue {
  uint32_t max = 0;
  uint64_t size = 0;
  uint64_t descriptors = 0, available = 0, used = 0;
  bool ready = false;

  static bool Apart(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len) {
    return a + a_len <= b || b + b_len <= a;
  }
  static bool InRam(uint64_t at, uint64_t len) {
    const uint64_t high = ToInteger(GuestRam::kHigh.start);
    const uint64_t high_end = high + GuestRam::kHigh.size_bytes;
    if (at < kRamEnd) return len <= kRamEnd - at;
    return at >= high && at < high_end && len <= high_end - at;
  }
  bool Valid() const {
    const uint64_t table_len = 16 * size, available_len = 6 + 2 * size, used_len = 6 + 8 * size;
    return size != 0 && descriptors != 0 && available != 0 && used != 0 && descriptors % 16 == 0 &&
           available % 2 == 0 && used % 4 == 0 && InRam(descriptors, table_len) &&
           InRam(available, available_len) && InRam(used, used_len) &&
           Apart(descriptors, table_len, available, available_len) &&
           Apart(descriptors, table_len, used, used_len) &&
           Apart(available, available_len, used, used_len);
  }
};

// The registers as a reader of the specification expects them. The device's queues are empty, so it
// never interrupts but when it cannot activate.
class Model {
 public:
  void Write(uint64_t offset, uint32_t value) {
    if (offset == reg::kDeviceFeaturesSel) device_word_ = value;
    if (offset == reg::kDriverFeaturesSel) driver_word_ = value;
    if (offset == reg::kDriverFeatures) WriteFeatures(value);
    if (offset == reg::kQueueSel) selected_ = value;
    if (offset == reg::kInterruptAck) interrupts_ &= ~value;
    if (offset == reg::kStatus) WriteStatus(value);
    if (selected_ < 2) WriteQueue(queues_[selected_], offset, value);
  }

  uint32_t Read(uint64_t offset) const {
    const bool there = selected_ < 2;
    if (offset == reg::kMagic) return 0x74726976;
    if (offset == reg::kVersion) return 2;
    if (offset == reg::kDeviceId) return 4;
    if (offset == reg::kVendorId) return 0x52424d45;
    if (offset == reg::kDeviceFeatures && device_word_ == 0) return kOffered & 0xffffffff;
    if (offset == reg::kDeviceFeatures && device_word_ == 1) return kOffered >> 32;
    if (offset == reg::kQueueNumMax) return there ? queues_[selected_].max : 0;
    if (offset == reg::kQueueReady) return there && queues_[selected_].ready ? 1 : 0;
    if (offset == reg::kInterruptStatus) return interrupts_;
    if (offset == reg::kStatus) return status_;
    if (offset >= reg::kShmLenLow && offset <= reg::kShmBaseHigh) return 0xffffffff;
    return 0;
  }

  uint32_t status() const { return status_; }

 private:
  void WriteFeatures(uint32_t value) {
    if ((status_ & kDriver) == 0 || (status_ & (kFeaturesOk | kFailed)) != 0) return;
    if (driver_word_ == 0) features_low_ = value;
    if (driver_word_ == 1) features_high_ = value;
    if (driver_word_ > 1 && value != 0) beyond_ = true;
  }

  void WriteStatus(uint32_t value) {
    if (value == 0) {
      status_ = interrupts_ = features_low_ = features_high_ = 0;
      beyond_ = false;
      for (ModelQueue& queue : queues_) queue = {.max = queue.max};
      return;
    }
    const uint32_t driver_bits = kAcknowledge | kDriver | kFeaturesOk | kDriverOk | kFailed;
    const uint32_t have = status_ & driver_bits;
    if ((value & ~(driver_bits | kNeedsReset)) != 0) return;
    if ((value & have) != have || (have & kFailed) != 0) return;
    if ((value & kFailed) != 0) {
      status_ |= kFailed;
      return;
    }
    const uint32_t news = value & ~have;
    const uint64_t features = features_low_ | uint64_t{features_high_} << 32;
    const bool suit = (features & ~kOffered) == 0 && (features & kVersion1Feature) != 0 && !beyond_;
    if ((news & kAcknowledge) != 0) status_ |= kAcknowledge;
    if ((news & kDriver) != 0 && (status_ & kAcknowledge) != 0) status_ |= kDriver;
    if ((news & kFeaturesOk) != 0 && (status_ & kDriver) != 0 && suit) status_ |= kFeaturesOk;
    if ((news & kDriverOk) != 0 && (status_ & kFeaturesOk) != 0) {
      status_ |= kDriverOk;
      if (!queues_[0].ready) {
        status_ |= kNeedsReset;
        interrupts_ |= 2;
      }
    }
  }

  void WriteQueue(ModelQueue& queue, uint64_t offset, uint32_t value) {
    if ((status_ & kFeaturesOk) == 0 || (status_ & (kDriverOk | kFailed)) != 0) return;
    if (offset == reg::kQueueReady && value == 0) queue.ready = false;
    if (offset == reg::kQueueReady && value == 1) queue.ready = queue.Valid();
    if (queue.ready) return;
    const bool power_of_two = value != 0 && (value & (value - 1)) == 0;
    if (offset == reg::kQueueNum && power_of_two && value <= queue.max) queue.size = value;
    const auto low = [&](uint64_t& at) { at = (at >> 32 << 32) | value; };
    const auto high = [&](uint64_t& at) { at = (at & 0xffffffff) | uint64_t{value} << 32; };
    if (offset == reg::kQueueDescLow) low(queue.descriptors);
    if (offset == reg::kQueueDescHigh) high(queue.descriptors);
    if (offset == reg::kQueueDriverLow) low(queue.available);
    if (offset == reg::kQueueDriverHigh) high(queue.available);
    if (offset == reg::kQueueDeviceLow) low(queue.used);
    if (offset == reg::kQueueDeviceHigh) high(queue.used);
  }

  uint32_t status_ = 0, interrupts_ = 0;
  uint32_t device_word_ = 0, driver_word_ = 0, selected_ = 0;
  uint32_t features_low_ = 0, features_high_ = 0;
  bool beyond_ = false;
  std::array<ModelQueue, 2> queues_{{{.max = 16}, {.max = 4}}};
};

// The two side by side; every access goes to both.
class Pair {
 public:
  void Write(uint64_t offset, uint64_t value, size_t width = 4) {
    rig_.driver.WriteWide(offset, value, width);
    if (width == 4 && offset % 4 == 0 && offset < reg::kConfig) {
      model_.Write(offset, static_cast<uint32_t>(value));
    }
  }

  // Whether all registers read the same.
  bool Agree() const {
    for (uint64_t offset = 0; offset < reg::kConfig; offset += 4) {
      if (rig_.driver.Read(offset) != model_.Read(offset)) return false;
    }
    return true;
  }
  // The same for those that a write can change.
  bool AgreeOnState() const {
    for (const uint64_t offset : {reg::kStatus, reg::kQueueReady, reg::kQueueNumMax,
                                  reg::kInterruptStatus, reg::kDeviceFeatures}) {
      if (rig_.driver.Read(offset) != model_.Read(offset)) return false;
    }
    return true;
  }

  void Pump() { rig_.Pump(); }
  uint32_t status() const { return model_.status(); }
  FakeDevice& device() { return device_; }

 private:
  FakeDevice device_;
  Rig rig_{device_};
  Model model_;
};

struct State {
  const char* name;
  uint32_t status;
};

void PrintTo(const State& state, std::ostream* out) { *out << state.name; }

constexpr uint32_t kTwo = kAcknowledge | kDriver;
constexpr uint32_t kThree = kTwo | kFeaturesOk;
constexpr uint32_t kLive = kThree | kDriverOk;

// Brings a fresh pair to the state, one step at a time.
void Reach(Pair& pair, uint32_t status) {
  pair.Write(reg::kStatus, 0);
  pair.Write(reg::kStatus, status & kAcknowledge);
  pair.Write(reg::kStatus, status & kTwo);
  pair.Write(reg::kDriverFeaturesSel, 1);
  pair.Write(reg::kDriverFeatures, kVersion1Feature >> 32);
  pair.Write(reg::kStatus, status & kThree);
  pair.Write(reg::kQueueSel, 0);
  pair.Write(reg::kQueueNum, 16);
  pair.Write(reg::kQueueDescLow, 0x1000);
  pair.Write(reg::kQueueDriverLow, 0x2000);
  pair.Write(reg::kQueueDeviceLow, 0x3000);
  if ((status & kNeedsReset) == 0) pair.Write(reg::kQueueReady, 1);
  pair.Write(reg::kStatus, status & kLive);
  pair.Write(reg::kStatus, status);
}

class MmioStateTest : public ::testing::TestWithParam<State> {};

TEST_P(MmioStateTest, GivesEveryWriteOfEveryRegisterItsOneOutcome) {
  constexpr std::array<uint64_t, 28> kValues{
      0,      1,      2,      3,      4,      7,      8,          0xb,       0xf,   0x10,
      0x1f,   0x20,   0x40,   0x4f,   0x80,   0x8f,   0xc0,       0xff,      0x100, 0x1000,
      0x1008, 0x2000, 0x3002, 0x7fff, 0x8000, 0xffff, 0x80000000, 0xffffffff};
  Pair pair;
  Reach(pair, GetParam().status);
  ASSERT_EQ(pair.status(), GetParam().status);
  ASSERT_TRUE(pair.Agree());
  const bool live = (GetParam().status & kDriverOk) != 0;
  for (uint64_t offset = 0; offset < reg::kConfig; ++offset) {
    for (const size_t width : {1U, 2U, 4U, 8U}) {
      for (const uint64_t value : kValues) {
        for (uint64_t queue = 0; queue < 3; ++queue) {
          pair.Write(reg::kQueueSel, queue);
          pair.Write(offset, value, width);
          ASSERT_TRUE(pair.AgreeOnState()) << offset << ' ' << value << ' ' << width;
        }
        Reach(pair, GetParam().status);
      }
    }
    // No notification and no wake-up changes what the registers read.
    pair.Pump();
    ASSERT_TRUE(pair.Agree()) << offset;
  }
  EXPECT_TRUE(live || pair.device().notifications == 0);
}

constexpr State kStates[] = {
    {"Reset", 0},
    {"Acknowledge", kAcknowledge},
    {"Driver", kTwo},
    {"FeaturesOk", kThree},
    {"DriverOk", kLive},
    {"NeedsReset", kLive | kNeedsReset},
    {"FailedFromReset", kFailed},
    {"FailedFromAcknowledge", kAcknowledge | kFailed},
    {"FailedFromDriver", kTwo | kFailed},
    {"FailedFromFeaturesOk", kThree | kFailed},
    {"FailedFromDriverOk", kLive | kFailed},
    {"FailedFromNeedsReset", kLive | kNeedsReset | kFailed},
};

INSTANTIATE_TEST_SUITE_P(Statuses, MmioStateTest, ::testing::ValuesIn(kStates),
                         [](const auto& test) { return std::string(test.param.name); });

struct Access {
  uint64_t offset = 0;
  uint64_t value = 0;
  size_t width = 4;
};

// Random accesses: some to anywhere, some with values that mean something, some that lead on.
class Walker {
 public:
  Access Next(uint32_t status) {
    const uint32_t kind = random_() % 16;
    if (kind == 0) return {random_() % 0x100, random_(), size_t{1} << (random_() % 4)};
    if (kind < 4) return {Pick(kUseful), Pick(kValues)};
    if (status == 0) return {reg::kStatus, kAcknowledge};
    if (status == kAcknowledge) return {reg::kStatus, kTwo};
    if (status == kTwo) return kNegotiation[step_++ % kNegotiation.size()];
    if (status == kThree) return kSetUp[step_++ % kSetUp.size()];
    return random_() % 16 == 0 ? Access{reg::kStatus, 0} : Access{reg::kQueueNotify, 0};
  }

 private:
  static constexpr std::array<uint64_t, 15> kUseful{
      reg::kDeviceFeaturesSel, reg::kDriverFeaturesSel, reg::kDriverFeatures,
      reg::kQueueSel,          reg::kQueueNum,          reg::kQueueReady,
      reg::kQueueNotify,       reg::kInterruptAck,      reg::kStatus,
      reg::kQueueDescLow,      reg::kQueueDescHigh,     reg::kQueueDriverLow,
      reg::kQueueDriverHigh,   reg::kQueueDeviceLow,    reg::kQueueDeviceHigh};
  static constexpr std::array<uint32_t, 18> kValues{
      0,    1,      1,      2,      3,      4,      0xb,    0xf,      0x10,
      0x4f, 0x1000, 0x2000, 0x3000, 0x1004, 0x2001, 0x1080, 0x800000, 0xffffffff};
  static constexpr std::array<Access, 5> kNegotiation{{{reg::kDriverFeaturesSel, 0},
                                                       {reg::kDriverFeatures, 0},
                                                       {reg::kDriverFeaturesSel, 1},
                                                       {reg::kDriverFeatures, 1},
                                                       {reg::kStatus, kThree}}};
  static constexpr std::array<Access, 10> kSetUp{{{reg::kQueueSel, 0},
                                                  {reg::kQueueNum, 16},
                                                  {reg::kQueueDescLow, 0x1000},
                                                  {reg::kQueueDescHigh, 0},
                                                  {reg::kQueueDriverLow, 0x2000},
                                                  {reg::kQueueDriverHigh, 0},
                                                  {reg::kQueueDeviceLow, 0x3000},
                                                  {reg::kQueueDeviceHigh, 0},
                                                  {reg::kQueueReady, 1},
                                                  {reg::kStatus, kLive}}};

  template <typename T, size_t kCount>
  T Pick(const std::array<T, kCount>& from) {
    return from[random_() % kCount];
  }

  std::minstd_rand random_{20261121};
  size_t step_ = 0;
};

// EMBER_LONG_TESTS makes the walk 100 times as long.
TEST(MmioWalkTest, AgreesWithTheModelOverAMillionRandomWrites) {
  const uint32_t writes = std::getenv("EMBER_LONG_TESTS") != nullptr ? 100'000'000 : 1'000'000;
  Walker walker;
  Pair pair;
  int times_live = 0;
  for (uint32_t i = 0; i < writes; ++i) {
    const bool was_live = pair.status() == kLive;
    const Access access = walker.Next(pair.status());
    pair.Write(access.offset, access.value, access.width);
    ASSERT_TRUE(pair.AgreeOnState())
        << "write " << i << " of " << access.value << " to " << access.offset;
    ASSERT_TRUE(i % 64 != 0 || pair.Agree());
    if (i % 1024 == 0) pair.Pump();
    if (!was_live && pair.status() == kLive) ++times_live;
  }
  // The walk is worth something only if it came everywhere.
  EXPECT_GT(times_live, 100);
  EXPECT_GT(pair.device().notifications, 10);
}

}  // namespace
}  // namespace ember::virtio::testing
