#include "vmm/logger/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/base/temporary_directory.h"

namespace ember::vmm {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class LoggerTest : public testing::Test {
 protected:
  LoggerTest() { ConfigureLog({.instance_id = "vm1"}); }
  ~LoggerTest() override {
    EXPECT_TRUE(OpenLogFile("/dev/null"));
    ConfigureLog({});
  }
  std::string Text() const { return TemporaryDirectory::Read(path_); }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("log");
};

TEST_F(LoggerTest, WithoutFieldsItHasTheDefaultsOfTheContract) {
  ASSERT_TRUE(Logger().Configure({.log_path = path_}));
  EMBER_LOG(kDebug, "hidden");
  EMBER_LOG(kInfo, "shown");
  EXPECT_THAT(Text(), MatchesRegex("[^ ]* \\[vm1:[^:]*\\] shown\n"));
}

TEST_F(LoggerTest, EachFieldIsHeeded) {
  ASSERT_TRUE(Logger().Configure({.level = LogLevel::kDebug,
                                  .log_path = path_,
                                  .show_level = true,
                                  .show_log_origin = true,
                                  .module = "tests::vmm"}));
  EMBER_LOG(kDebug, "shown");
  EXPECT_THAT(Text(),
              MatchesRegex(".* \\[vm1:[^:]*:DEBUG:tests/vmm/logger_test.cc:[0-9]+\\] shown\n"));
  ASSERT_TRUE(Logger().Configure({.module = "api"}));
  EMBER_LOG(kInfo, "hidden");
  EXPECT_THAT(Text(), Not(HasSubstr("hidden")));
}

TEST_F(LoggerTest, WhatIsAbsentStaysAsTheCommandLineHadIt) {
  ConfigureLog({.instance_id = "vm1", .show_level = true});
  ASSERT_TRUE(Logger().Configure({.log_path = path_}));
  EMBER_LOG(kError, "shown");
  EXPECT_THAT(Text(), EndsWith(":ERROR] shown\n"));
}

TEST_F(LoggerTest, PathThatCannotBeOpenedLeavesAllAsItWas) {
  ASSERT_TRUE(Logger().Configure({.log_path = path_}));
  Logger logger;
  const Status status =
      logger.Configure({.level = LogLevel::kOff, .log_path = directory_.Path("no/such")});
  EXPECT_THAT(status.error().message(), HasSubstr("log_path: "));
  EXPECT_THAT(logger.Configure({.log_path = ""}).error().message(), "log_path is empty");
  EMBER_LOG(kInfo, "shown");
  EXPECT_THAT(Text(), EndsWith("] shown\n"));
  EXPECT_TRUE(logger.Configure({.level = LogLevel::kError}));
}

TEST_F(LoggerTest, SetsTheLogUpOnce) {
  Logger logger;
  ASSERT_TRUE(logger.Configure({.level = LogLevel::kError, .log_path = path_}));
  EXPECT_EQ(logger.Configure({}).error().message(), "The logger is already initialized.");
  EMBER_LOG(kInfo, "hidden");
  EXPECT_EQ(Text(), "");
}

}  // namespace
}  // namespace ember::vmm
