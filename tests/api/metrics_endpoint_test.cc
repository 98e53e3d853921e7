#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

#include "base/concat.h"
#include "base/log.h"
#include "tests/api/api_fixture.h"
#include "tests/vmm/metrics/metrics_fixture.h"

// The endpoints of the log and the metrics, and what is counted of requests, over the socket.
namespace ember::api {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class MetricsEndpointTest : public ServedApiTest {
 protected:
  std::string path() const { return directory_.Path("metrics"); }
  int PutMetrics() {
    return Call("PUT", "/metrics", Concat(R"({"metrics_path":")", path(), R"("})")).status;
  }
  int Flush() { return Call("PUT", "/actions", R"({"action_type":"FlushMetrics"})").status; }
  // The numbers of the last line.
  std::map<std::string, uint64_t> Last() const {
    const std::string text = TemporaryDirectory::Read(path());
    const size_t begin = text.rfind('\n', text.size() - 2);
    return vmm::NumbersOf(std::string_view(text).substr(begin + 1));
  }
};

TEST_F(MetricsEndpointTest, LinesComeAtTheStartAndWhenAskedFor) {
  ASSERT_EQ(PutMetrics(), 204);
  StartMachine();
  EXPECT_EQ(Last()["put_api_requests.metrics_count"], 1u);
  EXPECT_EQ(Flush(), 204);
  EXPECT_EQ(Last()["put_api_requests.metrics_count"], 0u);
  EXPECT_EQ(Last()["put_api_requests.actions_count"], 1u);  // the flush itself
}

TEST_F(MetricsEndpointTest, MetricsAreSetUpOnceAndBeforeTheStart) {
  ASSERT_EQ(PutMetrics(), 204);
  EXPECT_THAT(Call("PUT", "/metrics", R"({"metrics_path":"/dev/null"})").body,
              HasSubstr("Reinitialization of metrics not allowed."));
  StartMachine();
  EXPECT_THAT(Call("PUT", "/metrics", R"({"metrics_path":"/dev/null"})").body,
              HasSubstr("not supported after starting"));
  EXPECT_EQ(Flush(), 204);
  EXPECT_EQ(Last()["put_api_requests.metrics_fails"], 1u);
}

TEST_F(MetricsEndpointTest, FlushThatFailsIsAnError) {
  ASSERT_EQ(Call("PUT", "/metrics", R"({"metrics_path":"/dev/full"})").status, 204);
  StartMachine();
  const Reply reply = Call("PUT", "/actions", R"({"action_type":"FlushMetrics"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("Failed to write metrics: "));
}

TEST_F(MetricsEndpointTest, RequestsAreCountedByWhatTheyAskForAndTheirFailures) {
  ASSERT_EQ(PutMetrics(), 204);
  Call("GET", "/");
  Call("GET", "/");
  Call("GET", "/version");
  Call("GET", "/machine-config");
  Call("PUT", "/machine-config", R"({"vcpu_count":1,"mem_size_mib":0})");  // refused
  Call("PATCH", "/machine-config", R"({"vcpu_count":)");                   // not even read
  Call("PATCH", "/machine-config", R"({"cpu_template":"None"})");
  StartMachine();
  auto numbers = Last();
  EXPECT_EQ(numbers["get_api_requests.instance_info_count"], 2u);
  EXPECT_EQ(numbers["get_api_requests.vmm_version_count"], 1u);
  EXPECT_EQ(numbers["get_api_requests.machine_cfg_count"], 1u);
  EXPECT_EQ(numbers["put_api_requests.machine_cfg_count"], 1u);
  EXPECT_EQ(numbers["put_api_requests.machine_cfg_fails"], 1u);
  EXPECT_EQ(numbers["patch_api_requests.machine_cfg_count"], 2u);
  EXPECT_EQ(numbers["patch_api_requests.machine_cfg_fails"], 1u);
  EXPECT_EQ(numbers["put_api_requests.boot_source_count"], 1u);
  EXPECT_EQ(numbers["deprecated_api.deprecated_http_api_calls"], 1u);
}

TEST_F(MetricsEndpointTest, PausesAndResumptionsAreTimed) {
  ASSERT_EQ(PutMetrics(), 204);
  StartMachine();
  ASSERT_EQ(Call("PATCH", "/vm", R"({"state":"Paused"})").status, 204);
  ASSERT_EQ(Call("PATCH", "/vm", R"({"state":"Resumed"})").status, 204);
  ASSERT_EQ(Flush(), 204);
  auto numbers = Last();
  EXPECT_GT(numbers["latencies_us.pause_vm"], 0u);
  EXPECT_GT(numbers["latencies_us.resume_vm"], 0u);
  EXPECT_LE(numbers["latencies_us.vmm_pause_vm"], numbers["latencies_us.pause_vm"]);
}

TEST_F(MetricsEndpointTest, CurrentValuesAreThereForPrometheusInEveryPhase) {
  Call("GET", "/version");
  for (int phase = 0; phase < 2; ++phase) {
    const Reply reply = Call("GET", "/metrics");
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.head,
                HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    EXPECT_THAT(reply.body, HasSubstr("# TYPE ember_get_api_requests_vmm_version_count counter\n"
                                      "ember_get_api_requests_vmm_version_count 1\n"));
    if (phase == 0) StartMachine();
  }
}

TEST_F(MetricsEndpointTest, MachineCountsToo) {
  vmm::SampleMachine sample;
  sample.eth0.tx_bytes_count.Add(60);
  room_.CountIn(sample.metrics());
  StartMachine();
  EXPECT_THAT(Call("GET", "/metrics").body,
              HasSubstr("ember_net_tx_bytes_count{id=\"eth0\"} 60\n"));
  StopAll();
}

TEST_F(MetricsEndpointTest, LogIsSetUpOnceAndBeforeTheStart) {
  ConfigureLog({.instance_id = "vm1"});
  const std::string log = directory_.Path("log");
  ASSERT_EQ(Call("PUT", "/logger",
                 Concat(R"({"level":"warning","show_level":true,"log_path":")", log, R"("})"))
                .status,
            204);
  EMBER_LOG(kInfo, "hidden");
  EMBER_LOG(kWarning, "shown");
  EXPECT_THAT(TemporaryDirectory::Read(log), EndsWith(":WARN] shown\n"));
  EXPECT_THAT(Call("PUT", "/logger", R"({"level":"Info"})").body, HasSubstr("already initialized"));
  StartMachine();
  EXPECT_THAT(Call("PUT", "/logger", "{}").body, HasSubstr("not supported after starting"));
  ASSERT_TRUE(OpenLogFile("/dev/null"));
}

}  // namespace
}  // namespace ember::api
