#include "vmm/snapshot/machine_state.h"

#include <gtest/gtest.h>

#include <string>

#include "snapshot/fields.h"

namespace ember::vmm {
namespace {

constexpr uint64_t kPage = 4096;

MachineState Whole() {
  MachineState state;
  state.name.fill(std::byte{0x17});
  state.config = "{}";
  state.vcpus = {{.parts = {{.name = "regs", .bytes = {std::byte{1}, std::byte{2}}}}}, {}};
  state.controllers = {{.name = "clock", .bytes = {std::byte{3}}}};
  state.devices.devices = {{.type = 4, .id = "entropy", .gsi = 5}};
  state.pluggable = {.start = GuestAddress{uint64_t{1} << 32}, .size_bytes = uint64_t{1} << 31};
  return state;
}

TEST(MachineStateTest, ComesBackFromAFileAsItWas) {
  for (const bool is_diff : {false, true}) {
    MachineState state = Whole();
    if (is_diff) state.diff = {.base = state.name, .pages = {{std::byte{1}}, {}}};
    const snapshot::StateValue tree = snapshot::ToTree(state);
    const Result<MachineState> read = snapshot::FromTree<MachineState>(tree, 1);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(snapshot::ToTree(*read), tree);
    EXPECT_EQ(read->diff.has_value(), is_diff);
    EXPECT_EQ(read->vcpus[0].parts[0].bytes.size(), 2U);
  }
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
