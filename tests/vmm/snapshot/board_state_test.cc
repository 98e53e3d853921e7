#include "vmm/snapshot/board_state.h"

#include <gtest/gtest.h>

#include <string>

#include "snapshot/fields.h"

namespace ember::vmm {
namespace {

// All fields unlike their defaults.
BoardState Used() {
  BoardState state{.serial = {.interrupt_enable = 1,
                              .fifo_control = 2,
                              .line_control = 3,
                              .modem_control = 4,
                              .line_errors = 6,
                              .modem_deltas = 7,
                              .scratch = 8,
                              .divisor = 0x1234,
                              .transmit_interrupt = true,
                              .received_count = 2},
                   .keyboard = I8042::State{.command_byte = 9,
                                            .target = I8042::DataTarget::kOutputPort,
                                            .keyboard_command = 10,
                                            .last_write_was_command = true,
                                            .scanning = false,
                                            .scan_code_set = 1,
                                            .reply = 11,
                                            .keyboard_out_count = 1},
                   .power = {.events = 1}};
  state.serial.received[0] = std::byte{0x41};
  state.serial.received[1] = std::byte{0x42};
  state.keyboard->keyboard_out[0] = 0x1d;
  return state;
}

TEST(BoardStateTest, ComesBackFromAFileAsItWas) {
  const snapshot::StateValue tree = snapshot::ToTree(Used());
  const Result<BoardState> read = snapshot::FromTree<BoardState>(tree, 1);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(snapshot::ToTree(*read), tree);
  EXPECT_EQ(read->serial.divisor, 0x1234);
  EXPECT_EQ(read->serial.received[1], std::byte{0x42});
  EXPECT_EQ(read->keyboard->keyboard_out[0], 0x1d);
  EXPECT_EQ(read->keyboard->target, I8042::DataTarget::kOutputPort);
  EXPECT_EQ(read->power.events, 1);
}

TEST(BoardStateTest, NeedHaveNoKeyboard) {
  BoardState state = Used();
  state.keyboard.reset();
  const auto read = snapshot::FromTree<BoardState>(snapshot::ToTree(state), 1);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->keyboard);
}

TEST(BoardStateTest, HasOnlyTargetsThatThereAre) {
  BoardState state = Used();
  state.keyboard->target = static_cast<I8042::DataTarget>(99);
  const auto read = snapshot::FromTree<BoardState>(snapshot::ToTree(state), 1);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message().find("keyboard.target"), std::string::npos);
}

}  // namespace
}  // namespace ember::vmm
