#include "memory/user_faults.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "memory/guest_memory.h"
#include "memory/held_ranges.h"
#include "tests/memory/page_deliverer.h"

// Guest memory whose pages another process delivers; here a thread does.
namespace ember {
namespace {

constexpr uint64_t kPage = PageDeliverer::kPage;
constexpr uint64_t kBlock = 16 * kPage;
constexpr GuestRange kLow{GuestAddress{0}, 64 * kPage};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, 32 * kPage};
constexpr GuestRange kSpace{GuestAddress{0x2'0000'0000}, 4 * kBlock};

class UserFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<UserFaults> faults = UserFaults::Begin(*memory_);
    if (!faults) GTEST_SKIP() << "NOT RUN: " << faults.error().message();
    faults_.emplace(*std::move(faults));
  }
  int faults() const { return faults_->fd().get(); }
  uint8_t At(GuestAddress at) const { return *memory_->Read<uint8_t>(at); }

  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create(
      {kLow, kHigh},
      {.pluggable = PluggableMemory::Options{.range = kSpace, .block_bytes = kBlock}});
  std::optional<UserFaults> faults_;
};

TEST_F(UserFaultsTest, PagesComeWhenTheyAreTouchedAndOnce) {
  const PageDeliverer deliverer(faults(), std::byte{7});
  EXPECT_EQ(At(kLow.start), 7);
  EXPECT_EQ(At(kHigh.start + 31 * kPage + 5), 7);
  ASSERT_TRUE(memory_->Write<uint8_t>(kLow.start + 1, 9));
  EXPECT_EQ(At(kLow.start), 7);
  EXPECT_EQ(At(kLow.start + 1), 9);
  EXPECT_EQ(deliverer.delivered(), 2U);
}

TEST_F(UserFaultsTest, PluggedMemoryComesToo) {
  const PageDeliverer deliverer(faults(), std::byte{7});
  memory_->pluggable()->SetPlugged({.first = 1, .count = 1});
  EXPECT_EQ(At(kSpace.start + kBlock), 7);
}

TEST_F(UserFaultsTest, TheKernelsOwnAccessesWaitForPages) {
  const PageDeliverer deliverer(faults(), std::byte{7});
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  const auto bytes = memory_->HostSpan(kLow.start + 2 * kPage, kPage);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(::write(writer.get(), bytes->data(), 4), 4);
  std::array<uint8_t, 4> out{};
  EXPECT_EQ(::read(reader.get(), out.data(), out.size()), 4);
  EXPECT_EQ(out, (std::array<uint8_t, 4>{7, 7, 7, 7}));
}

TEST_F(UserFaultsTest, WhatWasGivenBackIsToldOfAndReadsZeros) {
  const PageDeliverer deliverer(faults(), std::byte{7});
  EXPECT_EQ(At(kLow.start + kPage), 7);
  EXPECT_EQ(memory_->Release(kLow.start + kPage, 2 * kPage), 2 * kPage);
  EXPECT_EQ(At(kLow.start + kPage), 0);
  EXPECT_EQ(At(kLow.start + 2 * kPage), 0);
  EXPECT_EQ(At(kLow.start + 3 * kPage), 7);
}

TEST_F(UserFaultsTest, AllOfRamAndWhatIsPluggedIsInUseDeliveredOrNot) {
  memory_->pluggable()->SetPlugged({.first = 0, .count = 2});
  memory_->pluggable()->SetPlugged({.first = 3, .count = 1});
  EXPECT_EQ(RangesInUse(*memory_, memory_->regions()[0]), std::vector{kLow});
  EXPECT_EQ(RangesInUse(*memory_, memory_->regions()[1]), std::vector{kHigh});
  const GuestMemory::Region space{.range = kSpace, .host = memory_->pluggable()->host()};
  EXPECT_EQ(
      RangesInUse(*memory_, space),
      (std::vector<GuestRange>{{kSpace.start, 2 * kBlock}, {kSpace.start + 3 * kBlock, kBlock}}));
  pollfd asked{.fd = faults(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&asked, 1, 0), 0) << "to look is not to touch";
}

TEST_F(UserFaultsTest, WhoWaitsGoesOnWithZerosOnceTheMemoryIsGivenUp) {
  std::optional<uint8_t> found;
  std::thread waiter([&] { found = At(kLow.start); });
  pollfd asked{.fd = faults(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&asked, 1, 60'000), 1);
  faults_->GiveUp();
  waiter.join();
  EXPECT_EQ(found, 0);
  EXPECT_EQ(At(kHigh.start), 0);
}

}  // namespace
}  // namespace ember
