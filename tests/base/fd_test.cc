#include "base/fd.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "base/concat.h"
#include "base/mapping.h"
#include "base/thread.h"
#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

std::string ToText(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += static_cast<char>(byte);
  return text;
}

std::span<const std::byte> ToBytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text));
}

TEST(FdTest, DescriptorIsClosedOnceByItsLastOwner) {
  Fd first = CreateEventFd().value();
  const int number = first.get();
  {
    Fd second = std::move(first);
    EXPECT_FALSE(first.valid());
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(FdTest, AssignmentClosesWhatWasHeldBefore) {
  Fd first = CreateEventFd().value();
  Fd second = CreateEventFd().value();
  const int replaced = first.get();
  const int kept = second.get();
  first = std::move(second);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_EQ(first.get(), kept);
  EXPECT_TRUE(IsOpen(kept));
}

TEST(FdTest, DescriptorsAreClosedOnExec) {
  const TemporaryDirectory directory;
  const Fd file = CreateFile(directory.Path("file")).value();
  const Fd event = CreateEventFd().value();
  EXPECT_NE(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(event.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(FdTest, OpeningWhatIsNotThereNamesThePath) {
  const Result<Fd> file = OpenFile("/no/such/file", Access::kReadOnly);
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().message(), "open /no/such/file: No such file or directory");
  EXPECT_EQ(file.error().error_number(), ENOENT);
}

TEST(FdTest, OpeningAFifoDoesNotWaitForItsOtherEnd) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Result<Fd> fifo = OpenFile(path, Access::kReadOnly);
  ASSERT_TRUE(fifo.has_value());
  EXPECT_THAT(FileSize(*fifo, path).error().message(),
              EndsWith("fifo is neither a regular file nor a block device"));
}

TEST(FdTest, NewFileIsForItsOwnerOnlyAndStartsEmpty) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("file", "old content");
  const Fd truncated = CreateFile(path).value();
  EXPECT_EQ(FileSize(truncated, path).value(), 0u);
  const Fd fresh = CreateFile(directory.Path("fresh")).value();
  struct stat status {};
  ASSERT_EQ(::fstat(fresh.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(FdTest, WhatWasWrittenIsReadBackAtAnyOffset) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("file");
  ASSERT_TRUE(WriteAll(CreateFile(path).value(), ToBytes("0123456789")).has_value());
  const Fd file = OpenFile(path, Access::kReadOnly).value();
  EXPECT_EQ(FileSize(file, path).value(), 10u);
  std::array<std::byte, 4> out{};
  ASSERT_TRUE(ReadExactAt(file, 6, out).has_value());
  EXPECT_EQ(ToText(out), "6789");
}

TEST(FdTest, ReadingPastTheEndIsShortOrAnErrorThatSaysSo) {
  const TemporaryDirectory directory;
  const Fd file = OpenFile(directory.Write("file", "0123456789"), Access::kReadOnly).value();
  std::array<std::byte, 4> out{};
  EXPECT_EQ(ReadAt(file, 7, out).value(), 3u);
  EXPECT_EQ(ReadAt(file, 10, out).value(), 0u);
  EXPECT_EQ(ReadExactAt(file, 7, out).error().message(),
            "the file ends after 3 of 4 bytes wanted at offset 7");
}

TEST(FdTest, OffsetsThatNoFileHasAreErrors) {
  const TemporaryDirectory directory;
  const Fd file = OpenFile(directory.Write("file", "0123456789"), Access::kReadOnly).value();
  std::array<std::byte, 4> out{};
  EXPECT_TRUE(ReadAt(file, uint64_t{INT64_MAX} - 4, out).has_value());
  EXPECT_FALSE(ReadAt(file, uint64_t{INT64_MAX} - 3, out).has_value());
  EXPECT_FALSE(ReadAt(file, UINT64_MAX, out).has_value());
}

TEST(FdTest, WriteAllGoesOnAfterShortWrites) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const std::string sent(size_t{1} << 20, 'x');  // far more than a pipe holds
  Status written;
  Thread thread = Thread::Start("writer", [&] {
                    written = WriteAll(writer, ToBytes(sent));
                    writer.Reset();
                  }).value();
  size_t received = 0;
  std::vector<std::byte> buffer(4096);
  for (ssize_t count = 0; (count = ::read(reader.get(), buffer.data(), buffer.size())) > 0;) {
    received += static_cast<size_t>(count);
  }
  thread.Join();
  EXPECT_TRUE(written.has_value());
  EXPECT_EQ(received, sent.size());
}

TEST(FdTest, ErrorsOfTheHostCarryTheirNumber) {
  const Fd closed;
  std::array<std::byte, 1> out{};
  EXPECT_EQ(ReadAt(closed, 0, out).error().error_number(), EBADF);
  EXPECT_EQ(WriteAll(closed, out).error().error_number(), EBADF);
  EXPECT_EQ(FileSize(closed, "name").error().message(), "fstat name: Bad file descriptor");
}

TEST(MappingTest, AnonymousMemoryIsZeroAndWritable) {
  const Mapping mapping = Mapping::Anonymous(8192).value();
  ASSERT_EQ(mapping.size(), 8192u);
  EXPECT_EQ(mapping.bytes()[8191], std::byte{0});
  mapping.bytes()[8191] = std::byte{1};
  EXPECT_EQ(mapping.bytes()[8191], std::byte{1});
}

TEST(MappingTest, AlignedMemoryBeginsAtAMultipleAndIsWhole) {
  constexpr size_t kAlignment = size_t{2} << 20;
  for (const size_t size : {size_t{4096}, kAlignment - 4096, kAlignment, kAlignment + 4096}) {
    const Mapping mapping = Mapping::AnonymousAligned(size, kAlignment).value();
    EXPECT_EQ(std::bit_cast<uintptr_t>(mapping.data()) % kAlignment, 0u);
    ASSERT_EQ(mapping.size(), size);
    mapping.bytes().front() = std::byte{1};
    mapping.bytes().back() = std::byte{1};
  }
}

TEST(MappingTest, SizesThatDoNotFitAreErrors) {
  EXPECT_EQ(Mapping::Anonymous(0).error().error_number(), EINVAL);
  EXPECT_EQ(Mapping::AnonymousAligned(SIZE_MAX - 4095, 4096).error().error_number(), ENOMEM);
  EXPECT_EQ(Mapping::Anonymous(size_t{1} << 62).error().error_number(), ENOMEM);
}

TEST(MappingTest, PrivateFileMappingKeepsWritesToItself) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("file", std::string(8192, 'a'));
  const Mapping mapping =
      Mapping::File(
          OpenFile(path, Access::kReadOnly).value(),
          {.offset_bytes = 4096, .size_bytes = 4096, .sharing = Mapping::Sharing::kPrivate})
          .value();
  mapping.bytes()[0] = std::byte{'b'};
  EXPECT_EQ(TemporaryDirectory::Read(path), std::string(8192, 'a'));
}

TEST(MappingTest, SharedFileMappingWritesThrough) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("file", std::string(4096, 'a'));
  const Mapping mapping =
      Mapping::File(OpenFile(path, Access::kReadWrite).value(), {.size_bytes = 4096}).value();
  mapping.bytes()[4095] = std::byte{'b'};
  EXPECT_EQ(TemporaryDirectory::Read(path), std::string(4095, 'a') + 'b');
}

TEST(MappingTest, MovedFromMappingIsEmptyAndMovesChangeNoAddress) {
  Mapping first = Mapping::Anonymous(4096).value();
  std::byte* const data = first.data();
  Mapping second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(first.size(), 0u);
  EXPECT_EQ(second.data(), data);
  second = Mapping::Anonymous(8192).value();
  EXPECT_EQ(second.size(), 8192u);
}

class InheritedFdTest : public testing::Test {
 protected:
  // As if the process had been started with it.
  static Fd Inherited(int flags) {
    Fd fd(::memfd_create("inherited", 0));
    const Fd again(::open(Concat("/proc/self/fd/", fd.get()).c_str(), flags));
    return Fd(::dup(again.get()));
  }
  static std::string PathOf(const Fd& fd) { return Concat("/dev/fd/", fd.get()); }
};

TEST_F(InheritedFdTest, IsDuplicatedAndCanBeNamedAgain) {
  const Fd fd = Inherited(O_RDWR);
  for (int i = 0; i < 2; ++i) {
    const Result<Fd> opened = OpenFile(PathOf(fd), Access::kReadWrite);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_NE(opened->get(), fd.get());
    EXPECT_NE(::fcntl(opened->get(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD), 0);
}

TEST_F(InheritedFdTest, DoesNotBecomeWhatItWasNotOpenedFor) {
  const Fd fd = Inherited(O_RDONLY);
  EXPECT_TRUE(OpenFile(PathOf(fd), Access::kReadOnly));
  EXPECT_EQ(OpenFile(PathOf(fd), Access::kReadWrite).error().message(),
            Concat(PathOf(fd), " was not opened for reading and writing"));
  EXPECT_EQ(CreateFile(PathOf(fd)).error().message(),
            Concat(PathOf(fd), " was not opened for writing"));
}

TEST_F(InheritedFdTest, OfOurOwnDescriptorsNoneCanBeNamed) {
  const Fd own(::memfd_create("own", MFD_CLOEXEC));
  EXPECT_EQ(OpenFile(PathOf(own), Access::kReadWrite).error().message(),
            Concat(PathOf(own), " is not a descriptor that the process was started with"));
}

TEST_F(InheritedFdTest, ThatIsNotThereIsAnError) {
  EXPECT_FALSE(OpenFile("/dev/fd/1000000", Access::kReadOnly));
}

TEST_F(InheritedFdTest, IsNotEmptiedWhereAFileWouldBeMade) {
  const Fd fd = Inherited(O_RDWR);
  ASSERT_EQ(::write(fd.get(), "log", 3), 3);
  EXPECT_TRUE(CreateFile(PathOf(fd)));
  EXPECT_EQ(*FileSize(fd, "inherited"), 3U);
}

TEST_F(InheritedFdTest, OnlyWholeNumbersName) {
  EXPECT_EQ(InheritedNumber("/dev/fd/17"), 17);
  for (const char* path : {"/dev/fd/", "/dev/fd/x", "/dev/fd/1x", "/dev/fd/-1", "/dev/fd",
                           "/dev/fd/99999999999", "dev/fd/1"}) {
    EXPECT_EQ(InheritedNumber(path), std::nullopt) << path;
  }
}

}  // namespace
}  // namespace ember
