#ifndef EMBER_TESTS_API_API_FIXTURE_H_
#define EMBER_TESTS_API_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/server.h"
#include "base/concat.h"
#include "base/event_loop.h"
#include "base/thread.h"
#include "tests/api/api_client.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/fake_machine.h"
#include "vmm/controller.h"

namespace ember::api {

// A served API in a directory of its own, over fake machines. The loop has a thread here; in the
// program it is main's.
class ApiTest : public testing::Test {
 protected:
  ~ApiTest() override { StopAll(); }

  // Once, before the first client; tests that want other options call it themselves.
  void Serve(size_t max_connections = 1024, size_t max_actions = 512) {
    auto server = Server::Listen({.socket_path = socket_path(),
                                  .max_connections = max_connections,
                                  .max_actions = max_actions});
    ASSERT_TRUE(server) << server.error().message();
    server_ = *std::move(server);
    ASSERT_TRUE(server_->Start(controller_, "test-vm"));
    loop_thread_ = *Thread::Start("loop", [this] { loop_->Run(); });
  }

  // As the program does at its end.
  void StopAll() {
    room_.Release();
    loop_->Stop();
    loop_thread_.Join();
    if (server_) server_->Stop();
  }

  ApiClient Connect() { return ApiClient(socket_path()); }
  std::string socket_path() const { return directory_.Path("api.sock"); }

  // One request on a connection of its own.
  Reply Call(std::string_view method, std::string_view path, std::string_view body = {}) {
    return Connect().Call(method, path, body).value_or(Reply{});
  }
  std::string State() { return Call("GET", "/").body; }

  // Everything that a machine needs.
  void Configure() {
    const std::string kernel = directory_.Write("kernel", "kernel");
    ASSERT_EQ(
        Call("PUT", "/boot-source", Concat(R"({"kernel_image_path":")", kernel, R"("})")).status,
        204);
  }
  void StartMachine() {
    Configure();
    ASSERT_EQ(Call("PUT", "/actions", R"({"action_type":"InstanceStart"})").status, 204);
  }

  TemporaryDirectory directory_;
  vmm::FakeMachineRoom room_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  vmm::Controller controller_{*loop_, room_.factory()};
  std::unique_ptr<Server> server_;
  Thread loop_thread_;
};

// The fixture with the usual options.
class ServedApiTest : public ApiTest {
 protected:
  void SetUp() override { Serve(); }
};

}  // namespace ember::api

#endif  // EMBER_TESTS_API_API_FIXTURE_H_
