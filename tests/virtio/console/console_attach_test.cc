// The host's side of a console: clients that come, stay too long, are slow, and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "base/concat.h"
#include "base/log.h"
#include "tests/base/open_descriptors.h"
#include "tests/virtio/console/console_bench.h"

namespace ember::virtio::testing {
namespace {

using ::testing::HasSubstr;

std::string Lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) text += Concat("line ", i, "\n");
  return text;
}

TEST(ConsoleAttachTest, WhoComesLateGetsTheLogAndThenAllThatFollows) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  bench.guest->Write(0, "early ");
  ConsoleSocket first = bench.Attach(0);
  bench.guest->Write(0, "middle ");
  ConsoleSocket second = bench.Attach(0);
  bench.guest->Write(0, "late");
  EXPECT_EQ(first.Read(), "early middle late");
  EXPECT_EQ(second.Read(), "early middle late");
}

TEST(ConsoleAttachTest, TheLogIsThereBeforeTheDriver) {
  ConsoleBench bench;
  bench.rig->driver.Write(reg::kConfig + 8, '!');
  EXPECT_EQ(bench.Attach(0).Read(), "!");
}

TEST(ConsoleAttachTest, WhoComesLateGetsNoMoreThanTheLog) {
  ConsoleBench bench(std::vector<ConsolePort::Options>{
      {.name = "con", .socket_path = {}, .is_console = true, .log_bytes = 1000}});
  bench.guest->StartAndOpen();
  const std::string text = Lines(0, 1000);
  bench.guest->Write(0, text);
  EXPECT_EQ(bench.Attach(0).Read(), text.substr(text.size() - 1000));
}

TEST(ConsoleAttachTest, ALargeLogIsKeptWhole) {
  ConsoleBench bench(std::vector<ConsolePort::Options>{
      {.name = "con", .socket_path = {}, .is_console = true, .log_bytes = 1 << 20}});
  bench.guest->StartAndOpen();
  const std::string text = Lines(0, 50000);
  bench.guest->Write(0, text);
  ConsoleSocket late = bench.Attach(0);
  std::string got;
  while (got.size() < text.size()) {
    const std::string more = late.Read();
    ASSERT_FALSE(more.empty());
    got += more;
    bench.rig->Pump();
  }
  EXPECT_TRUE(got == text);
}

// Without a log there is nobody on the host's end of a port but its clients, and the driver is
// told.
TEST(ConsoleAttachTest, APortWithoutALogIsOpenWhileSomebodyIsAttached) {
  ConsoleBench bench({{.name = "con", .socket_path = {}, .is_console = true},
                      {.name = "agent", .socket_path = {}, .log_bytes = 0}});
  bench.guest->StartAndOpen();
  bench.guest->Write(1, "nobody hears");
  ConsoleSocket one = bench.Attach(1);
  EXPECT_THAT(bench.guest->TakeControl(),
              ::testing::ElementsAre(ControlMessage{1, kPortOpen, 1, ""}));
  ConsoleSocket two = bench.Attach(1);
  bench.guest->Write(1, "hello");
  EXPECT_EQ(one.Read(), "hello");
  one.Close();
  bench.rig->Pump();
  EXPECT_TRUE(bench.guest->TakeControl().empty());
  two.Close();
  bench.rig->Pump();
  EXPECT_THAT(bench.guest->TakeControl(),
              ::testing::ElementsAre(ControlMessage{1, kPortOpen, 0, ""}));
}

// Otherwise its descriptor would stay for as long as the guest asks for no input.
TEST(ConsoleAttachTest, AClientThatGoesWithoutAWordIsGoneThoughTheGuestTakesNoInput) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  const size_t before = OpenDescriptors();
  {
    ConsoleSocket client = bench.Attach(0);
    bench.rig->Pump();
    EXPECT_EQ(OpenDescriptors(), before + 2);  // both ends
  }
  bench.rig->Pump();
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ConsoleAttachTest, ClientsComeAndGoForEver) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  for (int i = 0; i < 500; ++i) {
    ConsoleSocket client = bench.Attach(0);
    bench.guest->Write(0, "x");
    ASSERT_FALSE(client.Read().empty());
  }
  bench.rig->Pump();
  EXPECT_EQ(bench.device->metrics().attached_clients.value(), 500U);
  EXPECT_EQ(bench.device->metrics().refused_clients.value(), 0U);
}

TEST(ConsoleAttachTest, OneTooManyIsClosedAndTheOthersStay) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  std::deque<ConsoleSocket> clients;
  for (size_t i = 0; i < ConsolePort::kMaxClients; ++i) clients.push_back(bench.Attach(0));
  EXPECT_TRUE(bench.Attach(0).closed());
  EXPECT_EQ(bench.device->metrics().refused_clients.value(), 1U);
  EXPECT_FALSE(bench.Attach(1).closed()) << "each port has its own";
  bench.guest->Write(0, "all");
  for (ConsoleSocket& client : clients) EXPECT_EQ(client.Read(), "all");
  clients.pop_front();
  bench.rig->Pump();
  EXPECT_EQ(bench.Attach(0).Read(), "all");
}

TEST(ConsoleAttachTest, WhatAClientWroteBeforeItWentIsStillInput) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  {
    ConsoleSocket client = bench.Attach(0);
    client.Send("poweroff\n");
  }
  bench.rig->Pump();
  bench.guest->PostInput(0, 4);
  bench.guest->PostInput(0, 64);
  EXPECT_EQ(bench.guest->TakeInput(0), "poweroff\n");
}

TEST(ConsoleAttachTest, WhoWentAndWasNotReadMakesPlaceForWhoComes) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  for (size_t i = 0; i < 3 * ConsolePort::kMaxClients; ++i) bench.Attach(0).Send("input");
  bench.rig->Pump();
  EXPECT_EQ(bench.device->metrics().refused_clients.value(), 0U);
  EXPECT_FALSE(bench.Attach(0).closed());
}

TEST(ConsoleAttachTest, AClientThatOnlyEndsItsInputGoesOnReading) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  client.Send("last");
  client.ShutDownWrite();
  bench.guest->PostInput(0, 64);
  EXPECT_EQ(bench.guest->TakeInput(0), "last");
  bench.guest->Write(0, "still here");
  EXPECT_EQ(client.Read(), "still here");
}

// A connection that was something else before, and the client's end of it.
struct Handed {
  Handed() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) < 0) {
      std::abort();
    }
    here = Fd(fds[0]);
    there = Fd(fds[1]);
  }
  std::string Read() const {
    std::string text(size_t{4} << 20, '\0');
    const ssize_t count = ::recv(here.get(), text.data(), text.size(), 0);
    text.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return text;
  }
  Fd here, there;
};

TEST(ConsoleHandedClientTest, IsGreetedAndGetsTheLog) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  bench.guest->Write(0, "early ");
  Handed handed;
  ASSERT_TRUE(bench.device->Attach(0, std::move(handed.there), {.greeting = "hello\r\n"}));
  bench.rig->Pump();
  EXPECT_EQ(handed.Read(), "hello\r\nearly ");
  bench.guest->Write(0, "late");
  EXPECT_EQ(handed.Read(), "late");
}

TEST(ConsoleHandedClientTest, IsGreetedFirstHoweverLateItReads) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  Handed handed;
  const std::string answers(4096, 'a');
  size_t before = 0;
  for (ssize_t sent = 0; sent >= 0;) {
    sent = ::send(handed.there.get(), answers.data(), answers.size(), MSG_NOSIGNAL);
    if (sent > 0) before += static_cast<size_t>(sent);
  }
  ASSERT_TRUE(bench.device->Attach(0, std::move(handed.there), {.greeting = "hello\r\n"}));
  bench.guest->Write(0, "output");
  std::string got = handed.Read();
  while (got.size() < before) got += handed.Read();
  bench.rig->Pump();
  got += handed.Read();
  EXPECT_EQ(got.substr(before), "hello\r\noutput");
}

TEST(ConsoleHandedClientTest, WhatItBroughtComesBeforeWhatItSends) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  Handed handed;
  ASSERT_EQ(::send(handed.here.get(), " sent", 5, 0), 5);
  ASSERT_TRUE(bench.device->Attach(0, std::move(handed.there), {.input = "brought along"}));
  bench.rig->Pump();
  for (int i = 0; i < 8; ++i) bench.guest->PostInput(0, 5);
  EXPECT_EQ(bench.guest->TakeInput(0), "brought along sent");
}

TEST(ConsoleHandedClientTest, WhatItBroughtWaitsForTheGuestAndOutlivesIt) {
  ConsoleBench bench;
  Handed handed;
  ASSERT_TRUE(bench.device->Attach(0, std::move(handed.there), {.input = "brought"}));
  handed.here.Reset();
  bench.rig->Pump();
  bench.guest->StartAndOpen();
  bench.guest->PostInput(0, 64);
  EXPECT_EQ(bench.guest->TakeInput(0), "brought");
}

TEST(ConsoleHandedClientTest, OneTooManyIsRefusedInWords) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  std::deque<ConsoleSocket> clients;
  for (size_t i = 0; i < ConsolePort::kMaxClients; ++i) clients.push_back(bench.Attach(0));
  Handed handed;
  const Status refused = bench.device->Attach(0, std::move(handed.there), {.greeting = "hello"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "console port con has 16 clients, which is the limit");
  EXPECT_EQ(handed.Read(), "");
}

TEST(ConsoleHandedClientTest, TakesThePlaceOfOneWhoseGoingNobodyHasSeenYet) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  std::deque<ConsoleSocket> clients;
  for (size_t i = 0; i < ConsolePort::kMaxClients; ++i) clients.push_back(bench.Attach(0));
  clients.pop_front();  // and the device does not run
  Handed handed;
  EXPECT_TRUE(bench.device->Attach(0, std::move(handed.there), {.greeting = "hello"}));
  EXPECT_EQ(handed.Read(), "hello");
  EXPECT_EQ(bench.device->metrics().refused_clients.value(), 0U);
}

TEST(ConsoleHandedClientTest, ASizeThatIsGivenDirectlyReachesTheGuest) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  EXPECT_EQ(bench.device->FindPort("con"), 0U);
  EXPECT_EQ(bench.device->FindPort("agent"), 1U);
  EXPECT_EQ(bench.device->FindPort(""), std::nullopt);
  bench.device->Resize(0, {.columns = 132, .rows = 50});
  bench.rig->Pump();
  EXPECT_THAT(bench.guest->TakeControl(), ::testing::ElementsAre(ControlMessage{
                                              0, kResize, 1, std::string("\x84\0\x32\0", 4)}));
}

TEST(ConsoleSlowClientTest, OfAConsoleIsToldHowMuchItLost) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket slow = bench.Attach(0);
  uint64_t written = 0;
  while (bench.device->metrics().lost_bytes.value() == 0) {
    bench.guest->Write(0, std::string(65536, 'o'));
    written += 65536;
  }
  std::string got;
  for (;;) {
    const std::string more = slow.Read();
    if (more.empty()) break;
    got += more;
    bench.rig->Pump();
  }
  const uint64_t lost = bench.device->metrics().lost_bytes.value();
  const std::string notice = Concat("\r\n[", lost, " bytes of output lost]\r\n");
  EXPECT_NE(got.find(notice), std::string::npos);
  EXPECT_EQ(got.size(), written - lost + notice.size());
  EXPECT_FALSE(slow.closed());
  bench.guest->Write(0, "fresh");
  EXPECT_EQ(slow.Read(), "fresh");
}

TEST(ConsoleSlowClientTest, OfAGenericPortIsDisconnected) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket slow = bench.Attach(1);
  std::string written;
  while (bench.device->metrics().disconnected_clients.value() == 0) {
    const std::string text = Lines(0, 5000);
    bench.guest->Write(1, text);
    written += text;
  }
  const std::string got = slow.Read();
  EXPECT_TRUE(written.starts_with(got)) << "it has a hole";
  EXPECT_TRUE(slow.closed());
  EXPECT_FALSE(bench.Attach(1).closed());
}

TEST(ConsoleSlowClientTest, HoldsUpNoOther) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket slow = bench.Attach(0), fast = bench.Attach(0);
  std::string got, written;
  for (int i = 0; i < 100; ++i) {
    const std::string text = Lines(1000 * i, 1000 * i + 1000);
    bench.guest->Write(0, text);
    written += text;
    got += fast.Read();
  }
  EXPECT_TRUE(got == written);
}

TEST(ConsoleResizeTest, AnswersEachLine) {
  ConsoleBench bench;
  ConsoleSocket control = bench.AttachResize(0);
  control.Send("resize 80 24\nresize 0 0\nwhat\n");
  bench.rig->Pump();
  EXPECT_EQ(control.Read(),
            "ok\nerror: expected resize COLUMNS ROWS, each from 1 to 65535\n"
            "error: unknown command, expected resize COLUMNS ROWS\n");
  EXPECT_EQ(bench.device->metrics().resizes.value(), 1U);
}

TEST(ConsoleResizeTest, TakesALineInAnyPieces) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket control = bench.AttachResize(0);
  for (const char letter : std::string("resize 80 24\n")) {
    control.Send(std::string(1, letter));
    bench.rig->Pump();
  }
  EXPECT_EQ(control.Read(), "ok\n");
}

TEST(ConsoleResizeTest, TakesWhatWasSentBeforeAClose) {
  ConsoleBench bench;
  ConsoleSocket(bench.PathOf(0) + ".ctl").Send("resize 80 24\n");
  bench.rig->Pump();
  EXPECT_EQ(bench.device->metrics().resizes.value(), 1U);
}

TEST(ConsoleResizeTest, ClosesOnALineWithoutEnd) {
  ConsoleBench bench;
  ConsoleSocket control = bench.AttachResize(0);
  control.Send(std::string(ResizeSocket::kMaxLineBytes, 'r'));
  bench.rig->Pump();
  EXPECT_TRUE(control.closed());
}

TEST(ConsoleResizeTest, ClosesOnAClientThatReadsNoAnswers) {
  ConsoleBench bench;
  ConsoleSocket control = bench.AttachResize(0);
  for (int i = 0; i < 200000 && control.SendSome("x\nx\nx\nx\n") > 0; ++i) {
    if (i % 64 == 0) bench.rig->Pump();
  }
  bench.rig->Pump();
  control.Read();
  EXPECT_TRUE(control.closed());
}

TEST(ConsoleResizeTest, HasABoundOnItsConnections) {
  ConsoleBench bench;
  std::deque<ConsoleSocket> connections;
  for (size_t i = 0; i < ResizeSocket::kMaxConnections; ++i) {
    connections.push_back(bench.AttachResize(0));
  }
  EXPECT_TRUE(bench.AttachResize(0).closed());
  connections.pop_back();
  bench.rig->Pump();
  EXPECT_FALSE(bench.AttachResize(0).closed());
}

TEST(ConsoleSocketTest, PathsGoAwayWithTheDevice) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("console");
  {
    const auto device = ConsoleDevice::Create({.ports = {{.name = "a", .socket_path = path}}});
    ASSERT_TRUE(device) << device.error().message();
    EXPECT_EQ(::access(path.c_str(), F_OK), 0);
    EXPECT_EQ(::access((path + ".ctl").c_str(), F_OK), 0);
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_NE(::access((path + ".ctl").c_str(), F_OK), 0);
}

TEST(ConsoleSocketTest, APathThatIsTakenIsAnErrorAndLeavesNothing) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("console");
  directory.Write("console.ctl", "mine");
  const auto device = ConsoleDevice::Create({.ports = {{.name = "a", .socket_path = path}}});
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().message(), HasSubstr(path));
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_EQ(TemporaryDirectory::Read(path + ".ctl"), "mine");
}

TEST(ConsoleSocketTest, WithoutDescriptorsLeftItRestsAndTriesAgain) {
  ConsoleBench bench;
  ConsoleSocket waiting(bench.PathOf(0));
  const int next = ::dup(0);
  ::close(next);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  // UBSan takes pipes to look at a class it has not met, as that of the log's clock.
  ConfigureLog({.level = LogLevel::kOff, .instance_id = {}});
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  EXPECT_LT(bench.rig->Pump(), 10) << "it is not woken for ever";
  ::setrlimit(RLIMIT_NOFILE, &before);
  ConfigureLog({.level = LogLevel::kInfo, .instance_id = {}});
  while (bench.device->metrics().attached_clients.value() == 0) bench.rig->Pump();
  EXPECT_FALSE(waiting.closed());
}

TEST(ConsoleSocketTest, HasOneToEightPorts) {
  EXPECT_FALSE(ConsoleDevice::Create({}));
  ConsoleDevice::Options options;
  TemporaryDirectory directory;
  for (int i = 0; i < 9; ++i) {
    options.ports.push_back(
        {.name = Concat("p", i), .socket_path = directory.Path(Concat("p", i))});
  }
  EXPECT_FALSE(ConsoleDevice::Create(options));
  options.ports.pop_back();
  EXPECT_TRUE(ConsoleDevice::Create(options));
}

}  // namespace
}  // namespace ember::virtio::testing
