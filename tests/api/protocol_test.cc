#include "api/protocol.h"

#include <gtest/gtest.h>

namespace ember::api {
namespace {

TEST(ProtocolTest, AnUpgradeNamesTheProtocol) {
  EXPECT_EQ(ParseUpgrade("ember-console/1"), Protocol::kConsole);
  EXPECT_EQ(ParseUpgrade("ember-log/1"), Protocol::kLog);
}

TEST(ProtocolTest, CaseAndSpaceDoNotMatter) {
  EXPECT_EQ(ParseUpgrade(" \tEmber-CONSOLE/1\t "), Protocol::kConsole);
}

TEST(ProtocolTest, OfAListTheFirstThatIsOursCounts) {
  EXPECT_EQ(ParseUpgrade("h2c, websocket,ember-log/1,ember-console/1"), Protocol::kLog);
  EXPECT_EQ(ParseUpgrade(",, ember-console/1,"), Protocol::kConsole);
}

TEST(ProtocolTest, OtherNamesAndVersionsAreNotOurs) {
  for (const std::string_view list :
       {"", ",", "h2c", "ember-console", "ember-console/2", "ember-console/10", "xember-console/1",
        "ember-console/1 ember-log/1", " ", "ember-console/1;q=1"}) {
    EXPECT_EQ(ParseUpgrade(list), Protocol::kHttp) << list;
  }
}

}  // namespace
}  // namespace ember::api
