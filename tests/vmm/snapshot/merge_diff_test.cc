#include "vmm/snapshot/merge_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "snapshot/memory_file.h"
#include "tests/base/temporary_directory.h"

namespace ember::vmm {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr NamePlaces kNames{.name = GuestAddress{3 * kPage}, .full = GuestAddress{5 * kPage}};

std::unique_ptr<GuestMemory> MakeMemory() {
  return GuestMemory::Create({{.start = GuestAddress{0}, .size_bytes = 64 * kPage}}, {}).value();
}
constexpr GuestAddress Page(uint64_t index) { return GuestAddress{index * kPage}; }

// One machine's snapshots: a whole one, and diffs that follow it.
class MergeDiffTest : public ::testing::Test {
 protected:
  SnapshotPaths Paths(const std::string& name) const {
    return {.state = directory_.Path(name + ".state"), .memory = directory_.Path(name + ".memory")};
  }
  void Save(const std::string& name, std::optional<DiffState> diff) {
    SavedMachine state{.name = *MakeSnapshotName(), .config = "{}", .diff = std::move(diff)};
    last_ = state.name;
    if (!state.diff) full_ = state.name;
    const Status written = WriteSnapshot(Paths(name), std::move(state), *memory_, kNames);
    ASSERT_TRUE(written) << written.error().message();
  }
  void SaveFull(const std::string& name) { Save(name, std::nullopt); }
  // Of the pages whose bits are set, the first 64 of the memory.
  void SaveDiff(const std::string& name, uint64_t pages) {
    Save(name, DiffState{.base = last_, .full = full_, .pages = ToBytes({{pages}})});
  }
  void Put(uint64_t page, uint64_t value) const { ASSERT_TRUE(memory_->Write(Page(page), value)); }

  std::string Merge(const std::string& base_memory, const std::string& diff,
                    const std::string& out) const {
    const DiffMerge files{.diff = Paths(diff),
                          .base_memory = directory_.Path(base_memory),
                          .out = directory_.Path(out)};
    const SavedMachine state = ReadMachineState(files.diff.state).value();
    const auto merged = MergeDiff(files, state, *MakeMemory(), kNames);
    return merged ? std::to_string(*merged / kPage) : merged.error().message();
  }
  // What a machine of that state has in pages 8 to 11 with that memory.
  std::string Restored(const std::string& name, const std::string& memory_file) const {
    const SavedMachine state = ReadMachineState(Paths(name).state).value();
    const SnapshotPaths paths{.state = Paths(name).state, .memory = directory_.Path(memory_file)};
    const auto memory = MakeMemory();
    const auto file = OpenMemoryFile(paths, state, *memory, kNames);
    if (!file) return file.error().message();
    EXPECT_TRUE(snapshot::LoadMemory(*memory, file->file, file->path));
    std::string values;
    for (uint64_t page = 8; page < 12; ++page) {
      values += std::to_string(memory->Read<uint64_t>(Page(page)).value()) + " ";
    }
    return values;
  }

  const TemporaryDirectory directory_;
  const std::unique_ptr<GuestMemory> memory_ = MakeMemory();
  SnapshotName last_{};
  SnapshotName full_{};
};

TEST_F(MergeDiffTest, MakesWhatTheMachineHad) {
  Put(8, 1);
  Put(9, 2);
  Put(10, 3);
  SaveFull("a");
  Put(9, 0);
  Put(11, 4);
  SaveDiff("b", 1 << 9 | 1 << 11);
  EXPECT_THAT(Restored("b", "b.memory"), EndsWith("was not merged into what it is based on"));
  EXPECT_EQ(Merge("a.memory", "b", "merged"), "3") << "with the page of the name";
  EXPECT_EQ(Restored("b", "merged"), "1 0 3 4 ");
  EXPECT_EQ(Restored("a", "a.memory"), "1 2 3 0 ");
}

TEST_F(MergeDiffTest, TakesAChainInItsOrder) {
  Put(8, 1);
  SaveFull("a");
  Put(8, 2);
  SaveDiff("b", 1 << 8);
  Put(9, 3);
  SaveDiff("c", 1 << 9);
  EXPECT_THAT(Merge("a.memory", "c", "merged"), HasSubstr("a.memory is not the memory of"));
  EXPECT_EQ(Merge("a.memory", "b", "merged"), "2");
  EXPECT_EQ(Merge("merged", "c", "merged"), "2");
  EXPECT_EQ(Restored("c", "merged"), "2 3 0 0 ");
  EXPECT_THAT(Restored("b", "merged"), HasSubstr("is not the memory of"));
}

TEST_F(MergeDiffTest, TakesTheBasesPlaceWhereThatIsWanted) {
  Put(8, 1);
  SaveFull("a");
  Put(8, 2);
  SaveDiff("b", 1 << 8);
  EXPECT_EQ(Merge("a.memory", "b", "a.memory"), "2");
  EXPECT_EQ(Restored("b", "a.memory"), "2 0 0 0 ");
}

TEST_F(MergeDiffTest, ADiffIsNoBase) {
  SaveFull("a");
  SaveDiff("b", 1 << 8);
  SaveDiff("c", 1 << 8);
  EXPECT_THAT(Merge("b.memory", "c", "merged"),
              EndsWith("was not merged into what it is based on"));
}

TEST_F(MergeDiffTest, AWholeSnapshotIsNoDiff) {
  SaveFull("a");
  EXPECT_THAT(Merge("a.memory", "a", "merged"), EndsWith("a.state is no diff: it is whole"));
}

TEST_F(MergeDiffTest, MemoryOfAnotherSnapshotIsNoDiff) {
  SaveFull("a");
  SaveDiff("b", 1 << 8);
  std::filesystem::copy_file(Paths("a").memory, Paths("b").memory,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Merge("a.memory", "b", "merged"), HasSubstr("b.memory is not the memory of"));
}

TEST_F(MergeDiffTest, AfterAnErrorAllIsAsItWas) {
  Put(8, 1);
  SaveFull("a");
  Put(8, 2);
  SaveDiff("b", 1 << 8);
  const auto files = [this] {
    return std::distance(std::filesystem::directory_iterator(directory_.Path("")),
                         std::filesystem::directory_iterator());
  };
  const auto before = files();
  EXPECT_THAT(Merge("a.memory", "b", "nowhere/merged"), HasSubstr("nowhere"));
  std::filesystem::resize_file(Paths("a").memory, 63 * kPage);
  EXPECT_THAT(Merge("a.memory", "b", "a.memory"),
              EndsWith("a.memory is 258048 bytes long, the machine's memory 262144"));
  EXPECT_EQ(std::filesystem::file_size(Paths("a").memory), 63 * kPage);
  EXPECT_EQ(files(), before);
}

TEST_F(MergeDiffTest, AListOfPagesForAnotherMemoryIsAnError) {
  SaveFull("a");
  SaveDiff("b", 1 << 8);
  SavedMachine state = ReadMachineState(Paths("b").state).value();
  state.diff->pages.emplace_back();
  const DiffMerge files{
      .diff = Paths("b"), .base_memory = Paths("a").memory, .out = directory_.Path("merged")};
  EXPECT_FALSE(MergeDiff(files, state, *MakeMemory(), kNames));
  EXPECT_FALSE(std::filesystem::exists(files.out));
}

}  // namespace
}  // namespace ember::vmm
