#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "base/thread_annotations.h"
#include "tests/api/api_fixture.h"

// GET /health over the socket: threads that get on, that are busy and that do not.
namespace ember::api {
namespace {

using testing::HasSubstr;
using vmm::VcpuPulse;

class HealthEndpointTest : public ServedApiTest {
 protected:
  Reply Health(std::string_view query = "?timeout_ms=60") {
    return Call("GET", Concat("/health", query));
  }
};

TEST_F(HealthEndpointTest, ALoopThatAnswersIsHealthy) {
  const Reply reply = Health("");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr(R"({"loop":{"state":"responsive","answer_us":)"));
  EXPECT_THAT(reply.body, HasSubstr(R"("vcpus":[],"device_threads":[],"healthy":true})"));
}

TEST_F(HealthEndpointTest, ALoopThatCarriesOutAnActionIsBusyAndHealthy) {
  StartMachine();
  room_.Hold();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(RequestBytes("PATCH", "/vm", R"({"state":"Paused"})")));
  room_.AwaitHeldRequest();
  const Reply reply = Health();
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr(R"("loop":{"state":"busy","busy_ms":)"));
  room_.Release();
}

TEST_F(HealthEndpointTest, ALoopThatDoesNotAnswerIsStuckAndTheAnswerComesInTime) {
  Mutex mutex;
  CondVar changed;
  bool stuck = true;
  loop_->Post([&] {
    MutexLock lock(mutex);
    while (stuck) changed.Wait(mutex);
  });
  const Reply reply = Health();
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr(R"("loop":{"state":"stuck"})"));
  EXPECT_THAT(reply.body, HasSubstr(R"("healthy":false)"));
  {
    const MutexLock lock(mutex);
    stuck = false;
    changed.NotifyAll();
  }
  EXPECT_EQ(Health("").status, 200);
}

TEST_F(HealthEndpointTest, EachVcpuThreadShowsItsState) {
  VcpuPulse pulses[3];
  const auto a = controller_.vitals().AddVcpu(0, pulses[0]);
  const auto b = controller_.vitals().AddVcpu(1, pulses[1]);
  const auto c = controller_.vitals().AddVcpu(2, pulses[2]);
  pulses[1].Enter(VcpuPulse::State::kGuest);
  pulses[2].Enter(VcpuPulse::State::kEnded);
  const Reply reply = Health();
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body,
              HasSubstr(R"("vcpus":[{"index":0,"state":"paused"},{"index":1,"state":"guest"},)"
                        R"({"index":2,"state":"ended"}])"));
}

TEST_F(HealthEndpointTest, AVcpuThreadThatDoesNotLeaveAnExitIsStuck) {
  VcpuPulse pulse;
  const auto entry = controller_.vitals().AddVcpu(0, pulse);
  pulse.Enter(VcpuPulse::State::kExit);
  const Reply reply = Health();
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr(R"({"index":0,"state":"stuck"})"));
}

TEST_F(HealthEndpointTest, AVcpuThreadThatGoesFromExitToExitIsNot) {
  VcpuPulse pulse;
  const auto entry = controller_.vitals().AddVcpu(0, pulse);
  std::atomic<bool> end{false};
  const Thread vcpu = *Thread::Start("vcpu", [&] {
    while (!end.load(std::memory_order_relaxed)) pulse.Enter(VcpuPulse::State::kExit);
  });
  EXPECT_EQ(Health("").status, 200);
  end.store(true, std::memory_order_relaxed);
}

TEST_F(HealthEndpointTest, ADeviceThreadThatDoesNotAnswerIsStuck) {
  const std::unique_ptr<EventLoop> own = *EventLoop::Create();  // nobody runs it
  const auto entry = controller_.vitals().AddLoop("block rootfs", *own);
  const Reply reply = Health();
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body,
              HasSubstr(R"("device_threads":[{"name":"block rootfs","state":"stuck"}])"));
}

TEST_F(HealthEndpointTest, RefusesWrongQueries) {
  EXPECT_EQ(Health("?timeout_ms=10001").body,
            R"({"fault_message":"timeout_ms 10001 exceeds the limit 10000"})");
  EXPECT_EQ(Health("?patience=1").status, 400);
}

}  // namespace
}  // namespace ember::api
