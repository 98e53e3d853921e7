#include "vmm/snapshot/board_state.h"

#include <gtest/gtest.h>

#include <string>

#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "tests/vmm/snapshot/sample_machine.h"

namespace ember::vmm {
namespace {

TEST(BoardStateTest, ComesBackFromAFileAsItWas) {
  const snapshot::StateValue tree = snapshot::ToTree(testing::SampleBoard());
  const Result<BoardState> read = snapshot::FromTree<BoardState>(tree, snapshot::kStateVersion);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(snapshot::ToTree(*read), tree);
  EXPECT_EQ(read->serial.divisor, 0x1234);
  EXPECT_EQ(read->serial.received[1], std::byte{0x42});
  EXPECT_EQ(read->keyboard->keyboard_out[0], 0x1d);
  EXPECT_EQ(read->keyboard->target, I8042::DataTarget::kOutputPort);
  EXPECT_EQ(read->power.events, 1);
  EXPECT_EQ(read->clock->generation, 14U);
}

TEST(BoardStateTest, HasNoClockBeforeVersion2) {
  BoardState state = testing::SampleBoard();
  EXPECT_FALSE(snapshot::FromTree<BoardState>(snapshot::ToTree(state), 1));
  state.clock.reset();
  const auto read = snapshot::FromTree<BoardState>(snapshot::ToTree(state), 1);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->clock);
}

TEST(BoardStateTest, NeedHaveNoKeyboard) {
  BoardState state = testing::SampleBoard();
  state.keyboard.reset();
  const auto read =
      snapshot::FromTree<BoardState>(snapshot::ToTree(state), snapshot::kStateVersion);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->keyboard);
}

TEST(BoardStateTest, HasOnlyTargetsThatThereAre) {
  BoardState state = testing::SampleBoard();
  state.keyboard->target = static_cast<I8042::DataTarget>(99);
  const auto read =
      snapshot::FromTree<BoardState>(snapshot::ToTree(state), snapshot::kStateVersion);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message().find("keyboard.target"), std::string::npos);
}

}  // namespace
}  // namespace ember::vmm
