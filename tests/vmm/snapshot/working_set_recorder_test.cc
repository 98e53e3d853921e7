#include "vmm/snapshot/working_set_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/base/temporary_directory.h"

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = DirtyPages::kPageBytes;
constexpr uint64_t kBlock = 16 * kPage;
constexpr GuestRange kLow{GuestAddress{0}, 128 * kPage};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, 64 * kPage};
constexpr GuestRange kSpace{GuestAddress{0x2'0000'0000}, 4 * kBlock};
constexpr uint64_t kPages = 128 + 64 + 64;

GuestAddress Low(uint64_t page) { return kLow.start + page * kPage; }
GuestAddress High(uint64_t page) { return kHigh.start + page * kPage; }

// A memory file whose pages hold their numbers.
class WorkingSetRecorderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string content(kPages * kPage, '\0');
    for (uint64_t page = 0; page < kPages; ++page) {
      content[page * kPage] = static_cast<char>(page);
    }
    file_ = *OpenFile(directory_.Write("memory", content), Access::kReadWrite);
    auto recorder = WorkingSetRecorder::Start(*memory_, file_, [this](const Error& error) {
      ++failures_;
      failure_ = error.message();
    });
    if (!recorder) GTEST_SKIP() << "NOT RUN: " << recorder.error().message();
    recorder_ = *std::move(recorder);
  }
  uint8_t At(GuestAddress at) const { return *memory_->Read<uint8_t>(at); }
  // The numbers of the pages that are noted, of a piece.
  std::vector<uint64_t> Noted(size_t piece) const {
    std::vector<uint64_t> noted;
    const snapshot::PageBits bits = recorder_->pages();
    for (uint64_t page = 0; page < 64 * bits[piece].size(); ++page) {
      if ((bits[piece][page / 64] >> page % 64 & 1) != 0) noted.push_back(page);
    }
    return noted;
  }
  // What a system call makes of a page: EFAULT where it cannot be had.
  int WriteFrom(GuestAddress at) const {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    const Fd reading(ends[0]);
    const Fd writing(ends[1]);
    return ::write(writing.get(), memory_->HostPrefix(at, 8).data(), 8) < 0 ? errno : 0;
  }

  using Numbers = std::vector<uint64_t>;

  TemporaryDirectory directory_;
  Fd file_;
  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create(
      {kLow, kHigh},
      {.pluggable = PluggableMemory::Options{.range = kSpace, .block_bytes = kBlock}});
  std::atomic<int> failures_{0};
  std::string failure_;  // once there are any
  std::unique_ptr<WorkingSetRecorder> recorder_;
};

TEST_F(WorkingSetRecorderTest, DeliversTheFilesPagesAndNotesTheseAlone) {
  EXPECT_EQ(Noted(0), Numbers{});
  EXPECT_EQ(At(Low(100)), 100);
  EXPECT_EQ(At(Low(0)), 0);
  EXPECT_EQ(At(High(3)), 131);
  ASSERT_TRUE(memory_->Write<uint8_t>(Low(127) + 9, 1));
  EXPECT_EQ(At(Low(127)), 127);
  EXPECT_EQ(Noted(0), (Numbers{0, 100, 127}));
  EXPECT_EQ(Noted(1), Numbers{3});
  EXPECT_EQ(Noted(2), Numbers{});
}

TEST_F(WorkingSetRecorderTest, NotesPluggedMemoryToo) {
  memory_->pluggable()->SetPlugged({.first = 1, .count = 1});
  EXPECT_EQ(At(kSpace.start + kBlock + kPage), 128 + 64 + 17);
  EXPECT_EQ(Noted(2), Numbers{17});
}

TEST_F(WorkingSetRecorderTest, WhatWasGivenBackIsZerosAndNotNotedAnew) {
  EXPECT_EQ(At(Low(5)), 5);
  ASSERT_TRUE(memory_->Release(Low(5), 2 * kPage));
  EXPECT_EQ(At(Low(5)), 0);
  EXPECT_EQ(At(Low(6)), 0);
  EXPECT_EQ(At(Low(7)), 7);
  EXPECT_EQ(Noted(0), (Numbers{5, 7}));
}

TEST_F(WorkingSetRecorderTest, OnceToldToStopItDeliversAndNotesNothing) {
  EXPECT_EQ(At(Low(1)), 1);
  recorder_->StopNoting();
  EXPECT_EQ(At(Low(2)), 2);
  EXPECT_EQ(Noted(0), Numbers{1});
}

TEST_F(WorkingSetRecorderTest, ManyThreadsGetTheirPagesAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (uint64_t first = 0; first < 4; ++first) {
    threads.emplace_back([this, first, &wrong] {
      for (uint64_t page = first / 2; page < 128; page += 2) wrong += At(Low(page)) != page;
      // Given back, by another at the same time, too.
      if (first % 2 == 0) wrong += !memory_->Release(High(0), 64 * kPage);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Noted(0).size(), 128U);
  EXPECT_EQ(At(High(1)), 0);
  EXPECT_EQ(failures_, 0);
}

TEST_F(WorkingSetRecorderTest, APageThatTheFileLacksFailsWhoTouchesItAndNoOther) {
  std::filesystem::resize_file(directory_.Path("memory"), 100 * kPage + 1);
  EXPECT_EQ(WriteFrom(Low(100)), EFAULT);
  EXPECT_EQ(WriteFrom(High(1)), EFAULT);
  EXPECT_EQ(At(Low(99)), 99);
  EXPECT_EQ(Noted(0), Numbers{99});
  recorder_.reset();
  EXPECT_EQ(failures_, 1) << "told once";
  EXPECT_THAT(failure_, HasSubstr("the page at 409600: "));
}

}  // namespace
}  // namespace ember::vmm
