#include "virtio/vsock/connect_line.h"

#include <gtest/gtest.h>

namespace ember::virtio::testing {
namespace {

TEST(ConnectLineTest, GivesThePort) {
  EXPECT_EQ(ParseConnectLine("CONNECT 52"), 52U);
  EXPECT_EQ(ParseConnectLine("CONNECT 0"), 0U);
  EXPECT_EQ(ParseConnectLine("CONNECT 4294967295"), 4294967295U);
}

TEST(ConnectLineTest, TakesAnyCaseAndBlanks) {
  EXPECT_EQ(ParseConnectLine("connect 7"), 7U);
  EXPECT_EQ(ParseConnectLine("CoNnEcT\t7"), 7U);
  EXPECT_EQ(ParseConnectLine("  CONNECT   7  "), 7U);
  EXPECT_EQ(ParseConnectLine("CONNECT 7\r"), 7U);
  EXPECT_EQ(ParseConnectLine("CONNECT 00007"), 7U);
}

TEST(ConnectLineTest, RefusesEverythingElse) {
  for (const char* line :
       {"", " ", "CONNECT", "CONNECT ", "52", "CONNECT52", "CONNECTS 52", "CONNEC 52", "GET / 1",
        "CONNECT 4294967296", "CONNECT 99999999999999999999999", "CONNECT -1", "CONNECT +1",
        "CONNECT 0x34", "CONNECT 5 2", "CONNECT 52x", "CONNECT x52", "CONNECT 52\v",
        "\vCONNECT 52"}) {
    EXPECT_FALSE(ParseConnectLine(line)) << line;
  }
  EXPECT_FALSE(ParseConnectLine(std::string_view("CONNECT 52\0", 11)));
  EXPECT_FALSE(ParseConnectLine(std::string_view("CONNECT\0 52", 11)));
}

TEST(ConnectLineTest, RepliesWithTheHostPort) {
  EXPECT_EQ(ConnectReply(1073741824), "OK 1073741824\n");
  EXPECT_EQ(ConnectReply(0), "OK 0\n");
}

}  // namespace
}  // namespace ember::virtio::testing
