#include "vmm/vitals.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "base/event_loop.h"

namespace ember::vmm {
namespace {

class VitalsTest : public testing::Test {
 protected:
  void SetUp() override { loop_ = EventLoop::Create().value(); }
  // Over what was posted; once.
  void RunLoop() {
    loop_->Post([this] { loop_->Stop(); });
    loop_->Run();
  }
  std::shared_ptr<const Vitals::LoopCheck> Ask() {
    return vitals_.AskLoops([this] { ++answers_; }).front();
  }

  std::unique_ptr<EventLoop> loop_;
  Vitals vitals_;
  int answers_ = 0;
};

TEST_F(VitalsTest, LoopThatHasNotAnsweredIsNotAskedAgain) {
  const Vitals::Entry entry = vitals_.AddLoop("loop", *loop_);
  const auto first = Ask();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Ask(), first);
  EXPECT_LT(first->answer_us, 0);
  RunLoop();
  EXPECT_GE(first->answer_us, 0);
  EXPECT_EQ(answers_, 1);
}

TEST_F(VitalsTest, LoopThatHasAnsweredIsAskedAnew) {
  const Vitals::Entry entry = vitals_.AddLoop("loop", *loop_);
  const auto first = Ask();
  RunLoop();
  EXPECT_NE(Ask(), first);
}

TEST_F(VitalsTest, LoopThatEndsWithoutAnAnswerIsGone) {
  std::optional<Vitals::Entry> entry(vitals_.AddLoop("loop", *loop_));
  const auto check = Ask();
  EXPECT_FALSE(check->gone);
  entry.reset();
  loop_.reset();
  EXPECT_TRUE(check->gone);
  EXPECT_LT(check->answer_us, 0);
  EXPECT_EQ(answers_, 0);
}

TEST_F(VitalsTest, AnsweredLoopThatEndsIsNotGone) {
  std::optional<Vitals::Entry> entry(vitals_.AddLoop("loop", *loop_));
  const auto check = Ask();
  RunLoop();
  entry.reset();
  loop_.reset();
  EXPECT_FALSE(check->gone);
}

}  // namespace
}  // namespace ember::vmm
