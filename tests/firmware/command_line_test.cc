#include "firmware/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ember::firmware {
namespace {

using testing::HasSubstr;

TEST(CommandLineTest, ALineAtTheLimitIsAccepted) {
  EXPECT_TRUE(CheckCommandLine(std::string(2047, 'x'), 2047).has_value());
  EXPECT_TRUE(CheckCommandLine("", 0).has_value());
}

TEST(CommandLineTest, OneByteOverTheLimitIsAnErrorWithBothLengths) {
  const Status status = CheckCommandLine(std::string(2048, 'x'), 2047);
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), HasSubstr("2048"));
  EXPECT_THAT(status.error().message(), HasSubstr("cmdline_size 2047"));
}

TEST(CommandLineTest, EveryPrintableCharacterAndTabsAreAccepted) {
  std::string line = "\t";
  for (char letter = ' '; letter <= '~'; ++letter) line += letter;
  EXPECT_TRUE(CheckCommandLine(line, 2047).has_value());
}

TEST(CommandLineTest, EveryOtherByteIsNamedWithItsPlace) {
  for (int byte = 0; byte < 256; ++byte) {
    if ((byte >= ' ' && byte <= '~') || byte == '\t') continue;
    std::string line = "quiet";
    line += static_cast<char>(byte);
    const Status status = CheckCommandLine(line, 2047);
    ASSERT_FALSE(status.has_value()) << byte;
    EXPECT_THAT(status.error().message(), HasSubstr("at position 5"));
  }
  EXPECT_THAT(CheckCommandLine("a\nb", 9).error().message(), HasSubstr("byte 0xa at position 1"));
}

TEST(AppendWordTest, AWordGoesToTheEndAfterOneSpace) {
  EXPECT_EQ(AppendWord("", "ro"), "ro");
  EXPECT_EQ(AppendWord("quiet", "ro"), "quiet ro");
  EXPECT_EQ(AppendWord("quiet ", "ro"), "quiet ro");
}

TEST(AppendWordTest, AWordGoesBeforeTheWordsForInit) {
  EXPECT_EQ(AppendWord("quiet -- single", "ro"), "quiet ro -- single");
  EXPECT_EQ(AppendWord("-- single", "ro"), "ro -- single");
  EXPECT_EQ(AppendWord("quiet\t--", "ro"), "quiet\tro --");
  EXPECT_EQ(AppendWord("quiet \"--\" single", "ro"), "quiet ro \"--\" single");
  EXPECT_EQ(AppendWord("a -- b -- c", "ro"), "a ro -- b -- c");
}

TEST(AppendWordTest, DashesThatAreNoWordOfTheirOwnAreLeftAlone) {
  EXPECT_EQ(AppendWord("a--b --c d--", "ro"), "a--b --c d-- ro");
  EXPECT_EQ(AppendWord("dyndbg=\"a -- b\" quiet", "ro"), "dyndbg=\"a -- b\" quiet ro");
}

TEST(AppendWordTest, AnUnclosedQuoteReachesToTheEnd) {
  EXPECT_EQ(AppendWord("x=\"a -- b", "ro"), "x=\"a -- b ro");
}

}  // namespace
}  // namespace ember::firmware
