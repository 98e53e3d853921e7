#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "tests/api/api_fixture.h"

// Memory hotplug's endpoint before and after the start, over the socket.
namespace ember::api {
namespace {

using testing::HasSubstr;

class MemoryHotplugEndpointTest : public ServedApiTest {
 protected:
  static constexpr std::string_view kPath = "/hotplug/memory";
};

TEST_F(MemoryHotplugEndpointTest, DeviceIsShownInTheConfigurationWithItsDefaults) {
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("memory-hotplug":null)"));
  EXPECT_EQ(Call("PUT", kPath, R"({"total_size_mib":1024})").status, 204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("memory-hotplug":{"total_size_mib":1024,"block_size_mib":2,)"
                        R"("slot_size_mib":128})"));
}

TEST_F(MemoryHotplugEndpointTest, WhatCannotBeIsAFault) {
  EXPECT_THAT(Call("PUT", kPath, R"({"total_size_mib":1000})").body,
              HasSubstr("Total size must be a multiple of slot size (128 MiB)"));
  EXPECT_THAT(Call("PUT", kPath, R"({"total_size_mib":4294967296})").body, HasSubstr("4294967296"));
  EXPECT_THAT(Call("PUT", kPath, R"({"total_size_mib":128,"requested_size_mib":2})").body,
              HasSubstr("unknown field `requested_size_mib`"));
}

TEST_F(MemoryHotplugEndpointTest, ItIsPutBeforeAndAskedAndChangedAfterTheStart) {
  constexpr std::string_view kUpdate = R"({"requested_size_mib":64})";
  EXPECT_THAT(Call("PATCH", kPath, kUpdate).body, HasSubstr("before starting"));
  EXPECT_THAT(Call("GET", kPath).body, HasSubstr("before starting"));
  StartMachine();
  EXPECT_EQ(Call("PATCH", kPath, kUpdate).status, 204);
  EXPECT_THAT(Call("PATCH", kPath, R"({"requested_size_mib":-1})").body, HasSubstr("-1"));
  EXPECT_THAT(Call("PUT", kPath, R"({"total_size_mib":1024})").body, HasSubstr("after starting"));
  room_.AnswerWith({.json = R"({"plugged_size_mib":1})"});
  EXPECT_EQ(Call("GET", kPath).body, R"({"plugged_size_mib":1})");
}

}  // namespace
}  // namespace ember::api
