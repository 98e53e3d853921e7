#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mapping.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kRam = uint64_t{16} << 20;

bool Has(const std::vector<uint64_t>& bits, GuestAddress at) {
  const uint64_t page = ToInteger(at) / kPage;
  return (bits.at(page / 64) >> (page % 64) & 1) != 0;
}

// Of a machine whose RAM alone has a log.
std::vector<uint64_t> OnlyOne(kvm::Vm& vm) {
  std::vector<kvm::WrittenPages> written = Must(vm.TakeWrittenPages());
  EXPECT_EQ(written.size(), 1U);
  EXPECT_EQ(written.at(0).range.size_bytes, kRam);
  return std::move(written.at(0).bits);
}

PayloadCode StoreAt(GuestAddress at) {
  PayloadCode code;
  code.MovRbx(ToInteger(at)).MovRax(1).StoreAtRbx(Width::k64);
  return code.Finish();
}

TEST(DirtyLogTest, TellsWhatTheGuestWroteOnce) {
  PayloadGuest guest(kRam, {.track_dirty_pages = true});
  const auto take = [&guest] { return OnlyOne(guest.vm()); };
  EXPECT_FALSE(Has(take(), PayloadGuest::kData));
  const auto vcpu = guest.CreateVcpu(0, StoreAt(PayloadGuest::kData + 5 * kPage));
  guest.RunUntilDone(*vcpu);
  const std::vector<uint64_t> bits = take();
  EXPECT_EQ(bits.size(), kRam / kPage / 64);
  EXPECT_TRUE(Has(bits, PayloadGuest::kData + 5 * kPage));
  EXPECT_FALSE(Has(bits, PayloadGuest::kData + 4 * kPage));
  EXPECT_FALSE(Has(bits, PayloadGuest::kCode)) << "ours, not the guest's";
  EXPECT_FALSE(Has(take(), PayloadGuest::kData + 5 * kPage)) << "taken already";
}

TEST(DirtyLogTest, TellsOfAPageThatIsWrittenAgain) {
  PayloadGuest guest(kRam, {.track_dirty_pages = true});
  PayloadCode code;
  code.MovRbx(ToInteger(PayloadGuest::kData)).MovRdx(PayloadGuest::kDonePort);
  const size_t again = code.Here();
  code.IncrementAtRbx().Out(Width::k8).JumpTo(again);
  const auto vcpu = guest.CreateVcpu(0, code);
  for (int round = 0; round < 3; ++round) {
    guest.RunUntilDone(*vcpu);
    EXPECT_TRUE(Has(OnlyOne(guest.vm()), PayloadGuest::kData)) << round;
  }
}

TEST(DirtyLogTest, TellsNothingWhereNothingIsTracked) {
  PayloadGuest guest(kRam);
  EXPECT_TRUE(Must(guest.vm().TakeWrittenPages()).empty());
}

TEST(DirtyLogTest, IsKeptForASlotThatAsksForOne) {
  constexpr GuestRange kPlace{.start = GuestAddress{uint64_t{4} << 30},
                              .size_bytes = uint64_t{2} << 20};
  const Mapping host = Must(Mapping::Anonymous(kPlace.size_bytes));
  PayloadGuest guest(kRam);
  std::optional<kvm::MemorySlot> slot =
      Must(guest.vm().AddMemorySlot(kPlace, host.data(), Access::kReadWrite, kvm::DirtyLog::kOn));
  const auto vcpu = guest.CreateVcpu(0, StoreAt(kPlace.start + 7 * kPage));
  guest.RunUntilDone(*vcpu);
  const std::vector<kvm::WrittenPages> written = Must(guest.vm().TakeWrittenPages());
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].range, kPlace);
  EXPECT_EQ(written[0].bits.at(0), uint64_t{1} << 7);
  slot.reset();
  EXPECT_TRUE(Must(guest.vm().TakeWrittenPages()).empty()) << "it is gone";
}

}  // namespace
}  // namespace ember
