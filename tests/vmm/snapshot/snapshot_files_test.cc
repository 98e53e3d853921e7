#include "vmm/snapshot/snapshot_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "snapshot/memory_file.h"
#include "tests/base/temporary_directory.h"

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr NamePlaces kNames{.name = GuestAddress{3 * kPage + 40}, .full = GuestAddress{5 * kPage}};
constexpr GuestAddress kData{8 * kPage};

std::unique_ptr<GuestMemory> MakeMemory() {
  return *GuestMemory::Create({{.start = GuestAddress{0}, .size_bytes = 64 * kPage}}, {});
}

class SnapshotFilesTest : public ::testing::Test {
 protected:
  SnapshotName Write(uint64_t value) {
    EXPECT_TRUE(memory_->Write(kData, value));
    SavedMachine state{.name = *MakeSnapshotName(), .config = "{}"};
    const Status written = WriteSnapshot(paths_, state, *memory_, kNames);
    EXPECT_TRUE(written) << written.error().message();
    return state.name;
  }
  // What a restored machine has at kData, or why there is none.
  std::string Read() const {
    const Result<SavedMachine> state = ReadMachineState(paths_.state);
    if (!state) return state.error().message();
    const auto memory = MakeMemory();
    const auto file = OpenMemoryFile(paths_, *state, *memory, kNames);
    if (!file) return file.error().message();
    EXPECT_TRUE(snapshot::LoadMemory(*memory, file->file, file->path));
    return std::to_string(*memory->Read<uint64_t>(kData));
  }
  size_t FileCount() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.Path(""))) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }

  TemporaryDirectory directory_;
  SnapshotPaths paths_{.state = directory_.Path("state"), .memory = directory_.Path("memory")};
  std::unique_ptr<GuestMemory> memory_ = MakeMemory();
};

TEST_F(SnapshotFilesTest, AreReadAsTheyWereWritten) {
  Write(17);
  EXPECT_EQ(Read(), "17");
  EXPECT_EQ(FileCount(), 2U);
  EXPECT_EQ(*memory_->Read<uint64_t>(kNames.name), 0U) << "the machine's own memory has no name";
}

TEST_F(SnapshotFilesTest, TakeThePlaceOfOthersTogether) {
  Write(1);
  Write(2);
  EXPECT_EQ(Read(), "2");
  EXPECT_EQ(FileCount(), 2U);
}

// As where the process was killed between the two.
TEST_F(SnapshotFilesTest, AreFoundWhereTheMemoryHasNotItsNameYet) {
  Write(1);
  const std::string old = directory_.Path("old");
  std::filesystem::rename(paths_.memory, old);
  const SnapshotName name = Write(2);
  std::filesystem::rename(paths_.memory, paths_.memory + "." + ToText(name));
  std::filesystem::rename(old, paths_.memory);
  EXPECT_EQ(Read(), "2");
}

TEST_F(SnapshotFilesTest, OfTwoSnapshotsDoNotGoTogether) {
  Write(1);
  const std::string old = directory_.Path("old");
  std::filesystem::rename(paths_.memory, old);
  Write(2);
  std::filesystem::rename(old, paths_.memory);
  EXPECT_THAT(Read(), HasSubstr("memory is not the memory of the snapshot at"));
}

TEST_F(SnapshotFilesTest, LeaveTheOldOnesWhereTheStateCannotBeWritten) {
  Write(1);
  const SnapshotPaths nowhere{.state = directory_.Path("nowhere/state"), .memory = paths_.memory};
  EXPECT_FALSE(
      WriteSnapshot(nowhere, {.name = *MakeSnapshotName(), .config = "{}"}, *memory_, kNames));
  EXPECT_EQ(Read(), "1");
  EXPECT_EQ(FileCount(), 2U);
}

TEST_F(SnapshotFilesTest, OfADiffHaveItsPagesAndThatOfTheNameButNotThatOfTheWholeOne) {
  SavedMachine state{.name = *MakeSnapshotName(), .config = "{}"};
  state.diff = {.base = {}, .full = {}, .pages = ToBytes({{0x20 | 1}})};
  ASSERT_TRUE(WriteSnapshot(paths_, state, *memory_, kNames));
  const Result<SavedMachine> read = ReadMachineState(paths_.state);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->diff->pages[0][0], std::byte{1 | 1 << 3});
}

TEST_F(SnapshotFilesTest, OfADiffAreNoMachineUntilItIsMerged) {
  const SnapshotName full = Write(1);
  const std::string base = directory_.Path("base");
  std::filesystem::rename(paths_.memory, base);
  ASSERT_TRUE(memory_->Write(kData, uint64_t{2}));
  SavedMachine state{.name = *MakeSnapshotName(), .parent = full, .config = "{}"};
  state.diff = {.base = full, .full = full, .pages = ToBytes({{1U << 8}})};
  ASSERT_TRUE(WriteSnapshot(paths_, state, *memory_, kNames));
  EXPECT_THAT(Read(), HasSubstr("memory is a diff that was not merged into what it is based on"));

  // Its pages, put into the file of the whole one.
  std::string merged = TemporaryDirectory::Read(base);
  const std::string diff = TemporaryDirectory::Read(paths_.memory);
  for (const size_t page : {size_t{3}, size_t{8}}) {
    merged.replace(page * kPage, kPage, diff, page * kPage, kPage);
  }
  std::ofstream(paths_.memory, std::ios::binary) << merged;
  EXPECT_EQ(Read(), "2");
}

}  // namespace
}  // namespace ember::vmm
