#include "devices/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <termios.h>

#include <optional>
#include <utility>

#include "base/fd.h"

namespace ember {
namespace {

class RawTerminalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    master_ = Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master_.valid());
    ASSERT_EQ(::grantpt(master_.get()), 0);
    ASSERT_EQ(::unlockpt(master_.get()), 0);
    terminal_ = Fd(::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(terminal_.valid());
  }

  termios Settings() const {
    termios settings{};
    EXPECT_EQ(::tcgetattr(terminal_.get(), &settings), 0);
    return settings;
  }

  Fd master_;
  Fd terminal_;
};

TEST_F(RawTerminalTest, WhileItLivesKeysComeUnechoedAndUninterpreted) {
  const termios before = Settings();
  ASSERT_NE(before.c_lflag & (ICANON | ECHO | ISIG), 0u);
  {
    const auto raw = RawTerminal::Enter(terminal_.get());
    ASSERT_TRUE(raw.has_value());
    EXPECT_EQ(Settings().c_lflag & (ICANON | ECHO | ISIG), 0u);
    EXPECT_EQ(Settings().c_oflag, before.c_oflag) << "newlines still return the carriage";
  }
  EXPECT_EQ(Settings().c_lflag, before.c_lflag);
  EXPECT_EQ(Settings().c_iflag, before.c_iflag);
}

TEST_F(RawTerminalTest, MovedItRestoresOnceAtTheEndOfTheLast) {
  const termios before = Settings();
  std::optional<RawTerminal> kept;
  {
    auto raw = RawTerminal::Enter(terminal_.get());
    ASSERT_TRUE(raw.has_value());
    kept.emplace(*std::move(raw));
  }
  EXPECT_NE(Settings().c_lflag, before.c_lflag);
  kept.reset();
  EXPECT_EQ(Settings().c_lflag, before.c_lflag);
}

TEST_F(RawTerminalTest, WhatIsNoTerminalIsLeftAlone) {
  auto null = OpenFile("/dev/null", Access::kReadOnly);
  ASSERT_TRUE(null.has_value());
  EXPECT_TRUE(RawTerminal::Enter(null->get()).has_value());
}

}  // namespace
}  // namespace ember
