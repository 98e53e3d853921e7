#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/api/api_fixture.h"

// Snapshots' endpoints before and after the start, over the socket.
namespace ember::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kCreate = R"({"snapshot_path":"/s","mem_file_path":"/m"})";
constexpr std::string_view kLoad =
    R"({"snapshot_path":"/s","mem_backend":{"backend_type":"File","backend_path":"/m"}})";

class SnapshotEndpointTest : public ServedApiTest {
 protected:
  void Pause() { ASSERT_EQ(Call("PATCH", "/vm", R"({"state":"Paused"})").status, 204); }
};

TEST_F(SnapshotEndpointTest, APausedMachineIsSaved) {
  StartMachine();
  Pause();
  EXPECT_EQ(Call("PUT", "/snapshot/create", kCreate).status, 204);
  EXPECT_THAT(room_.events(), ElementsAre("start", "pause", "save /s"));
  EXPECT_THAT(State(), HasSubstr("Paused"));
}

TEST_F(SnapshotEndpointTest, AMachineThatRunsOrIsNotThereIsNotSaved) {
  EXPECT_THAT(Call("PUT", "/snapshot/create", kCreate).body, HasSubstr("before starting"));
  StartMachine();
  const Reply reply = Call("PUT", "/snapshot/create", kCreate);
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("save/restore unavailable while running"));
  EXPECT_THAT(room_.events(), ElementsAre("start"));
}

TEST_F(SnapshotEndpointTest, WhatWentWrongIsTold) {
  StartMachine();
  Pause();
  room_.FailWith("the disk is full");
  EXPECT_THAT(Call("PUT", "/snapshot/create", kCreate).body,
              HasSubstr("Create snapshot error: the disk is full"));
}

TEST_F(SnapshotEndpointTest, APausedMachinesWorkingSetIsSaved) {
  constexpr std::string_view kSet = R"({"working_set_path":"/w"})";
  EXPECT_THAT(Call("PUT", "/snapshot/working-set", kSet).body, HasSubstr("before starting"));
  StartMachine();
  EXPECT_THAT(Call("PUT", "/snapshot/working-set", kSet).body,
              HasSubstr("Save working set error: Operation not allowed: save/restore"));
  Pause();
  EXPECT_EQ(Call("PUT", "/snapshot/working-set", kSet).status, 204);
  EXPECT_EQ(Call("PUT", "/snapshot/working-set", R"({"working_set_path":""})").status, 400);
  EXPECT_THAT(room_.events(), ElementsAre("start", "pause", "save working set /w"));
  room_.FailWith("the disk is full");
  EXPECT_THAT(Call("PUT", "/snapshot/working-set", kSet).body,
              HasSubstr("Save working set error: the disk is full"));
}

TEST_F(SnapshotEndpointTest, ALoadedMachineIsPausedUntilItIsResumed) {
  EXPECT_EQ(Call("PUT", "/snapshot/load", kLoad).status, 204);
  EXPECT_THAT(State(), HasSubstr(R"("state":"Paused")"));
  EXPECT_THAT(Call("GET", "/machine-config").body, HasSubstr(R"("vcpu_count":3)"));
  EXPECT_EQ(Call("PATCH", "/vm", R"({"state":"Resumed"})").status, 204);
  EXPECT_THAT(State(), HasSubstr("Running"));
  EXPECT_THAT(room_.events(), ElementsAre("restore /s", "resume"));
  EXPECT_THAT(Call("PUT", "/snapshot/load", kLoad).body, HasSubstr("after starting"));
}

TEST_F(SnapshotEndpointTest, ALoadedMachineRunsAtOnceWhereAskedTo) {
  EXPECT_EQ(Call("PUT", "/snapshot/load",
                 R"({"snapshot_path":"/s","mem_file_path":"/m","resume_vm":true})")
                .status,
            204);
  EXPECT_THAT(State(), HasSubstr("Running"));
}

TEST_F(SnapshotEndpointTest, ALoadThatFailsCanBeTriedAgain) {
  room_.FailWith("no such file");
  const Reply reply = Call("PUT", "/snapshot/load", kLoad);
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("Load snapshot error: no such file"));
  EXPECT_THAT(State(), HasSubstr("Not started"));
  room_.FailWith("");
  EXPECT_EQ(Call("PUT", "/snapshot/load", kLoad).status, 204);
}

TEST_F(SnapshotEndpointTest, WhatSaysWhatTheMachineIsMustNotComeBefore) {
  EXPECT_EQ(Call("PUT", "/serial", "{}").status, 204);
  EXPECT_EQ(Call("PUT", "/lifecycle", "{}").status, 204);
  EXPECT_EQ(Call("PUT", "/cpu-config", "{}").status, 204);
  EXPECT_EQ(Call("PUT", "/entropy", "{}").status, 204);
  EXPECT_THAT(Call("PUT", "/snapshot/load", kLoad).body,
              HasSubstr("not allowed after configuring boot-specific resources."));
}

TEST_F(SnapshotEndpointTest, TheSerialPortAndThePolicyMayComeBefore) {
  EXPECT_EQ(Call("PUT", "/serial", "{}").status, 204);
  EXPECT_EQ(Call("PUT", "/lifecycle", R"({"on_halt":"Pause"})").status, 204);
  EXPECT_EQ(Call("PUT", "/cpu-config", "{}").status, 204);
  EXPECT_EQ(Call("PUT", "/snapshot/load", kLoad).status, 204);
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("on_halt":"Pause")"));
}

TEST_F(SnapshotEndpointTest, ARestoredMachineHasNoKernelToStartAnew) {
  ASSERT_EQ(Call("PUT", "/snapshot/load", kLoad).status, 204);
  EXPECT_THAT(Call("PUT", "/actions", R"({"action_type":"ResetInPlace"})").body,
              HasSubstr("has no kernel to start anew"));
  EXPECT_THAT(State(), HasSubstr("Paused"));
}

TEST_F(SnapshotEndpointTest, DeprecatedFieldsAreCountedAndToldOf) {
  ApiClient client = Connect();
  const auto reply =
      client.Call("PUT", "/snapshot/load", R"({"snapshot_path":"/s","mem_file_path":"/m"})");
  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->head, HasSubstr("Deprecation: true"));
  EXPECT_EQ(controller_.metrics().deprecated_api.deprecated_http_api_calls.value(), 1U);
}

TEST_F(SnapshotEndpointTest, HowLongTheyTookIsWrittenDownAndWhatHappened) {
  ASSERT_EQ(Call("PUT", "/snapshot/load", kLoad).status, 204);
  ASSERT_EQ(Call("PUT", "/snapshot/create", kCreate).status, 204);
  const vmm::LatencyMetrics& latencies = controller_.metrics().latencies;
  EXPECT_GE(latencies.load_snapshot.value(), latencies.vmm_load_snapshot.value());
  EXPECT_GE(latencies.full_create_snapshot.value(), latencies.vmm_full_create_snapshot.value());
  EXPECT_GT(latencies.load_snapshot.value(), 0U);
  EXPECT_EQ(latencies.diff_create_snapshot.value(), 0U);
  ASSERT_EQ(Call("PUT", "/snapshot/create",
                 R"({"snapshot_path":"/s","mem_file_path":"/m","snapshot_type":"Diff"})")
                .status,
            204);
  EXPECT_GT(latencies.diff_create_snapshot.value(), 0U);
}

}  // namespace
}  // namespace ember::api
