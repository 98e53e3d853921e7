#include "vmm/snapshot/machine_state.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/snapshot/sample_machine.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {
namespace {

constexpr uint64_t kPage = 4096;

std::vector<std::byte> FileOf(const SavedMachine& state) {
  return *snapshot::EncodeStateFile(snapshot::ToTree(state));
}

TEST(MachineStateTest, ComesBackFromAFileAsItWas) {
  for (const SavedMachine& state : {testing::SampleMachine(), testing::SampleDiff()}) {
    const snapshot::StateValue tree = snapshot::ToTree(state);
    const Result<SavedMachine> read =
        snapshot::FromTree<SavedMachine>(tree, snapshot::kStateVersion);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(snapshot::ToTree(*read), tree);
    EXPECT_EQ(read->diff.has_value(), state.diff.has_value());
    EXPECT_EQ(read->vcpus[0].parts[0].bytes.size(), 2U);
  }
}

// EMBER_WRITE_GOLDEN=1 writes the files of a new version.
TEST(MachineStateTest, IsTheGoldenFileByteForByte) {
  const std::string golden = std::string(EMBER_MACHINE_GOLDEN) + "/machine_v2";
  const auto check = [](const std::string& path, const SavedMachine& state) {
    const std::vector<std::byte> file = FileOf(state);
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(file.data())),
                                file.size());
    if (std::getenv("EMBER_WRITE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << text;
    }
    EXPECT_TRUE(text == TemporaryDirectory::Read(path)) << path;
    const Result<SavedMachine> read = ReadMachineState(path);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(snapshot::ToTree(*read), snapshot::ToTree(state));
  };
  check(golden + ".bin", testing::SampleMachine());
  check(golden + "_diff.bin", testing::SampleDiff());
}

// Of a board without what later versions have.
TEST(MachineStateTest, IsReadFromTheGoldenFilesOfOlderVersions) {
  const std::string golden = std::string(EMBER_MACHINE_GOLDEN) + "/machine_v1";
  const auto check = [](const std::string& path, SavedMachine state) {
    state.board.clock.reset();
    const Result<SavedMachine> read = ReadMachineState(path);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(snapshot::ToTree(*read), snapshot::ToTree(state));
  };
  check(golden + ".bin", testing::SampleMachine());
  check(golden + "_diff.bin", testing::SampleDiff());
}

// A file says what was wrong with it, whichever of its fields is missing or not known.
TEST(MachineStateTest, NeedsAllItsFieldsAndNoOthers) {
  const snapshot::StateValue tree = snapshot::ToTree(testing::SampleMachine());
  const auto& members = std::get<snapshot::StateValue::Map>(tree.value);
  const auto error_of = [](const snapshot::StateValue::Map& map) {
    const Result<SavedMachine> read =
        snapshot::FromTree<SavedMachine>({map}, snapshot::kStateVersion);
    return read ? std::string("none") : read.error().message();
  };
  for (size_t i = 0; i < members.size(); ++i) {
    snapshot::StateValue::Map less = members;
    less.erase(less.begin() + static_cast<ptrdiff_t>(i));
    const std::string& name = members[i].name;
    EXPECT_EQ(error_of(less),
              name == "pluggable" || name == "parent" ? "none" : name + ": missing");
  }
  snapshot::StateValue::Map more = members;
  more.push_back({.name = "more", .value = {true}});
  EXPECT_NE(error_of(more).find("more"), std::string::npos);
}

// Of so many pages each.
std::vector<snapshot::MemoryPiece> Pieces(std::initializer_list<uint64_t> page_counts) {
  std::vector<snapshot::MemoryPiece> pieces;
  for (const uint64_t pages : page_counts) {
    snapshot::MemoryPiece& piece = pieces.emplace_back();
    piece.region.range.size_bytes = pages * kPage;
  }
  return pieces;
}

TEST(PageBitsTest, ComeBackAsTheyWere) {
  const snapshot::PageBits pages = {{0x8000'0000'0000'0001, 1}, {0xff}};
  const auto read = ToPageBits(ToBytes(pages), Pieces({65, 8}));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, pages);
}

TEST(PageBitsTest, MustBeOfTheMemoryThatThereIs) {
  const auto error_of = [](const snapshot::PageBits& pages,
                           std::initializer_list<uint64_t> counts) {
    const auto read = ToPageBits(ToBytes(pages), Pieces(counts));
    return read ? std::string("none") : read.error().message();
  };
  EXPECT_EQ(error_of({{1}}, {64}), "none");
  EXPECT_EQ(error_of({{1}}, {64, 64}),
            "the snapshot has the pages of 1 regions, the machine has 2");
  EXPECT_EQ(error_of({{1}}, {65}), "region 0 has 65 pages, the snapshot bits for 64");
  EXPECT_EQ(error_of({{0x100}}, {8}), "region 0 has no pages beyond 8");
}

}  // namespace
}  // namespace ember::vmm
