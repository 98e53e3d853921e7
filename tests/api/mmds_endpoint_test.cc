#include <gtest/gtest.h>

#include <string>

#include "base/concat.h"
#include "tests/api/api_fixture.h"

namespace ember::api {
namespace {

class MmdsEndpointTest : public ServedApiTest {
 protected:
  void AddInterface() {
    const Reply put =
        Call("PUT", "/network-interfaces/eth0", R"({"iface_id":"eth0","host_dev_name":"tap0"})");
    ASSERT_EQ(put.status, 204) << put.body;
  }
  std::string Metadata() { return Call("GET", "/mmds").body; }
};

TEST_F(MmdsEndpointTest, MetadataIsPutPatchedAndShownBeforeTheStart) {
  EXPECT_EQ(Metadata(), "{}");
  EXPECT_EQ(Call("PUT", "/mmds", R"({"latest":{"id":"a","x":1}})").status, 204);
  EXPECT_EQ(Call("PATCH", "/mmds", R"({"latest":{"x":null,"y":[2]}})").status, 204);
  EXPECT_EQ(Metadata(), R"({"latest":{"id":"a","y":[2]}})");
  EXPECT_EQ(Call("PUT", "/mmds", "{}").status, 204);
  EXPECT_EQ(Metadata(), "{}");
}

TEST_F(MmdsEndpointTest, MetadataIsPutPatchedAndShownWhileTheMachineRuns) {
  StartMachine();
  EXPECT_EQ(Metadata(), "{}");
  EXPECT_EQ(Call("PUT", "/mmds", R"({"a":1})").status, 204);
  EXPECT_EQ(Call("PATCH", "/mmds", R"({"a":2})").status, 204);
  EXPECT_EQ(Metadata(), R"({"a":2})");
}

TEST_F(MmdsEndpointTest, APatchNeedsSomethingToChange) {
  const Reply reply = Call("PATCH", "/mmds", R"({"a":1})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, R"({"fault_message":"The MMDS data store is not initialized."})");
  EXPECT_EQ(Metadata(), "{}");
}

TEST_F(MmdsEndpointTest, TooMuchIs413AndChangesNothing) {
  // As a string of 51191 bytes within {"a":"…"} fills the store.
  const std::string full = Concat(R"({"a":")", std::string(51192, 'x'), R"("})");
  ASSERT_EQ(full.size(), 51200U);
  EXPECT_EQ(Call("PUT", "/mmds", full).status, 204);
  const Reply reply = Call("PATCH", "/mmds", R"({"b":1})");
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.body, R"({"fault_message":"The MMDS patch request doesn't fit."})");
  EXPECT_EQ(Metadata(), full);
  EXPECT_EQ(Call("PATCH", "/mmds", R"({"a":1,"b":1})").status, 204);
}

TEST_F(MmdsEndpointTest, WhatIsNoObjectIsRefusedAndChangesNothing) {
  ASSERT_EQ(Call("PUT", "/mmds", R"({"a":1})").status, 204);
  for (const std::string_view method : {"PUT", "PATCH"}) {
    for (const std::string_view body : {"[1]", "1", "null", "\"x\"", "{", "{\"a\":tru}"}) {
      const Reply reply = Call(method, "/mmds", body);
      EXPECT_EQ(reply.status, 400) << method << " " << body;
      EXPECT_NE(reply.body.find("An error occurred when deserializing the json body"),
                std::string::npos);
    }
    EXPECT_NE(Call(method, "/mmds").body.find(Concat("Empty ", method, " request.")),
              std::string::npos);
  }
  EXPECT_EQ(Metadata(), R"({"a":1})");
}

TEST_F(MmdsEndpointTest, TheServiceIsConfiguredForInterfacesThatAreThere) {
  const std::string body = R"({"network_interfaces":["eth0"],"version":"V2"})";
  EXPECT_EQ(Call("PUT", "/mmds/config", body).status, 400);
  AddInterface();
  const Reply reply = Call("PUT", "/mmds/config", body);
  EXPECT_EQ(reply.status, 204) << reply.body;
  EXPECT_EQ(reply.head.find("Deprecation"), std::string::npos);
  EXPECT_NE(Call("GET", "/vm/config")
                .body.find(R"("mmds-config":{"version":"V2","ipv4_address":"169.254.169.254",)"
                           R"("network_interfaces":["eth0"],"imds_compat":false})"),
            std::string::npos);
}

TEST_F(MmdsEndpointTest, Version1IsDeprecated) {
  AddInterface();
  for (const std::string_view body : {R"({"network_interfaces":["eth0"]})",
                                      R"({"network_interfaces":["eth0"],"version":"V1"})"}) {
    const Reply reply = Call("PUT", "/mmds/config", body);
    EXPECT_EQ(reply.status, 204);
    EXPECT_NE(reply.head.find("Deprecation: true"), std::string::npos);
  }
}

TEST_F(MmdsEndpointTest, AConfigurationThatIsWrongLeavesTheOneBefore) {
  AddInterface();
  ASSERT_EQ(Call("PUT", "/mmds/config", R"({"network_interfaces":["eth0"],"version":"V2"})").status,
            204);
  const std::string before = Call("GET", "/vm/config").body;
  for (const std::string_view body :
       {R"({"network_interfaces":[]})", R"({"network_interfaces":["eth1"]})",
        R"({"network_interfaces":["eth0"],"ipv4_address":"1.1.1.1"})",
        R"({"network_interfaces":["eth0"],"ipv4_address":""})", R"({"version":"V2"})",
        R"({"network_interfaces":["eth0"],"version":"V2","unknown":1})"}) {
    EXPECT_EQ(Call("PUT", "/mmds/config", body).status, 400) << body;
  }
  EXPECT_EQ(Call("GET", "/vm/config").body, before);
}

TEST_F(MmdsEndpointTest, TheServiceIsConfiguredBeforeTheStartOnly) {
  AddInterface();
  StartMachine();
  const Reply reply = Call("PUT", "/mmds/config", R"({"network_interfaces":["eth0"]})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("not supported after starting the microVM"), std::string::npos);
}

}  // namespace
}  // namespace ember::api
