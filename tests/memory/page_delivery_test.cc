#include "memory/page_delivery.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "memory/guest_memory.h"

// Guest memory whose pages this process delivers to itself: who touches one is another thread here.
namespace ember {
namespace {

constexpr uint64_t kPage = 4096;
constexpr GuestRange kRam{GuestAddress{0}, 64 * kPage};
constexpr int kLongMs = 60'000;

class PageDeliveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<UserFaults> faults = UserFaults::Begin(*memory_);
    if (!faults) GTEST_SKIP() << "NOT RUN: " << faults.error().message();
    faults_.emplace(*std::move(faults));
  }
  std::byte* Host(uint64_t page) const { return memory_->regions()[0].host + page * kPage; }
  // The events of a wait, which there is at least one of.
  std::vector<PageEvent> Await() const {
    pollfd wait{.fd = faults_->fd().get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&wait, 1, kLongMs), 1);
    return *ReadPageEvents(*faults_, kPage);
  }

  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create({kRam}, {});
  std::optional<UserFaults> faults_;
  const std::vector<std::byte> page_ = std::vector<std::byte>(kPage, std::byte{7});
};

TEST_F(PageDeliveryTest, NothingIsToldWhereNothingHappened) {
  EXPECT_TRUE(ReadPageEvents(*faults_, kPage)->empty());
}

TEST_F(PageDeliveryTest, WhoTouchesAPageWaitsForItAndGetsIt) {
  uint8_t found = 0;
  std::thread reader([&] { found = *memory_->Read<uint8_t>(GuestAddress{3 * kPage + 5}); });
  const std::vector<PageEvent> events = Await();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, PageEvent::Kind::kMissing);
  EXPECT_EQ(events[0].host, Host(3));
  EXPECT_EQ(events[0].size_bytes, kPage);
  EXPECT_EQ(*DeliverPage(*faults_, Host(3), page_), Delivery::kDone);
  reader.join();
  EXPECT_EQ(found, 7);
}

TEST_F(PageDeliveryTest, APageThatIsThereIsDone) {
  EXPECT_EQ(*DeliverPage(*faults_, Host(1), page_), Delivery::kDone);
  EXPECT_EQ(*DeliverZeros(*faults_, Host(1), kPage), Delivery::kDone);
  EXPECT_EQ(*memory_->Read<uint8_t>(GuestAddress{kPage}), 7) << "it stays what it was";
  EXPECT_EQ(*DeliverZeros(*faults_, Host(2), kPage), Delivery::kDone);
  EXPECT_EQ(*memory_->Read<uint8_t>(GuestAddress{2 * kPage}), 0);
}

TEST_F(PageDeliveryTest, PagesThatAreGivenBackAreToldOfAndNothingIsDeliveredMeanwhile) {
  ASSERT_TRUE(DeliverPage(*faults_, Host(4), page_));
  std::thread giver([&] { EXPECT_TRUE(memory_->Release(GuestAddress{4 * kPage}, 2 * kPage)); });
  pollfd wait{.fd = faults_->fd().get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&wait, 1, kLongMs), 1);
  EXPECT_EQ(*DeliverPage(*faults_, Host(9), page_), Delivery::kLater);
  const std::vector<PageEvent> events = *ReadPageEvents(*faults_, kPage);
  giver.join();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, PageEvent::Kind::kGivenBack);
  EXPECT_EQ(events[0].host, Host(4));
  EXPECT_EQ(events[0].size_bytes, 2 * kPage);
  EXPECT_EQ(*DeliverPage(*faults_, Host(9), page_), Delivery::kDone);
}

// As KVM and the kernel's own reads do.
TEST_F(PageDeliveryTest, WhoWaitsForAPageThatIsDeniedFailsAndOthersAreDelivered) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reading(ends[0]);
  const Fd writing(ends[1]);
  ssize_t written = 0;
  int error = 0;
  std::thread toucher([&] {
    written = ::write(writing.get(), Host(6), 8);
    error = errno;
  });
  EXPECT_EQ(Await()[0].host, Host(6));
  EXPECT_TRUE(DenyPage(*faults_, Host(6), kPage));
  toucher.join();
  EXPECT_EQ(written, -1);
  EXPECT_EQ(error, EFAULT);
  EXPECT_EQ(::write(writing.get(), Host(6), 8), -1) << "nor does who comes later";
  EXPECT_EQ(*DeliverPage(*faults_, Host(7), page_), Delivery::kDone);
  EXPECT_EQ(::write(writing.get(), Host(7), 8), 8);
}

TEST_F(PageDeliveryTest, WhatIsNotOfTheMemoryIsAnError) {
  std::vector<std::byte> other(2 * kPage);
  EXPECT_FALSE(DeliverPage(*faults_, other.data(), page_));
  EXPECT_FALSE(DeliverZeros(*faults_, other.data(), kPage));
}

}  // namespace
}  // namespace ember
