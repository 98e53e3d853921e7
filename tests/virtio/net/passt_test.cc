// The real peer: Debian's passt in a network of the test's own gives a guest an address by DHCP and
// answers for its gateway by ARP.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"
#include "tests/virtio/net/net_bench.h"
#include "tests/virtio/net/network_namespace.h"
#include "virtio/net/stream_link.h"
#include "virtio/net/tap.h"

namespace ember::virtio::testing {
namespace {

constexpr const char* kPasst = "/usr/bin/passt";
constexpr const char* kGuestAddress = "10.77.0.2";  // the host's own, which passt hands on
constexpr std::array<uint8_t, 4> kGuest{10, 77, 0, 2};
constexpr std::array<uint8_t, 4> kGateway{10, 77, 0, 1};

// passt, listening at a path, until it is destroyed.
class Passt {
 public:
  explicit Passt(const std::string& path) {
    std::array<int, 2> log;
    EXPECT_EQ(::pipe2(log.data(), O_CLOEXEC), 0);
    log_ = Fd(log[0]);
    const Fd log_in(log[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, log_in.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, log_in.get(), STDOUT_FILENO);
    std::vector<std::string> words{kPasst,      "--foreground", "--stderr", "--ipv4-only",
                                   "--one-off", "--socket",     path};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, kPasst, &actions, nullptr, arguments.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~Passt() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Passt(const Passt&) = delete;
  Passt& operator=(const Passt&) = delete;

  // Whether it says that it listens.
  bool IsReady() {
    std::array<char, 4096> text;
    while (said_.find("You can now start") == std::string::npos) {
      pollfd wait{.fd = log_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&wait, 1, 10000) <= 0) return false;
      const ssize_t count = ::read(log_.get(), text.data(), text.size());
      if (count <= 0) return false;
      said_.append(text.data(), static_cast<size_t>(count));
    }
    return true;
  }
  const std::string& said() const { return said_; }

 private:
  Fd log_;
  std::string said_;
  pid_t pid_ = -1;
};

void Append(std::vector<std::byte>& out, std::initializer_list<int> bytes) {
  for (const int byte : bytes) out.push_back(static_cast<std::byte>(byte));
}
void AppendAddress(std::vector<std::byte>& out) {
  for (const uint8_t octet : kAddress.octets) out.push_back(std::byte{octet});
}

// RFC 2131 and 1071.
std::vector<std::byte> DhcpDiscover() {
  std::vector<std::byte> bootp;
  Append(bootp, {1, 1, 6, 0, 0x39, 3, 0xf3, 0x26, 0, 0, 0, 0});
  bootp.resize(28);
  AppendAddress(bootp);
  bootp.resize(236);
  Append(bootp, {99, 130, 83, 99, 53, 1, 1, 255});
  bootp.resize(300);

  std::vector<std::byte> frame(6, std::byte{0xff});
  AppendAddress(frame);
  Append(frame, {8, 0});
  const int ip_bytes = 20 + 8 + 300;
  Append(frame,
         {0x45, 0,  ip_bytes >> 8, ip_bytes & 255, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255,
          255,  255});
  uint32_t sum = 0;
  for (size_t i = 14; i < 34; i += 2) {
    sum += static_cast<uint32_t>(frame[i]) << 8 | static_cast<uint32_t>(frame[i + 1]);
  }
  sum = ~((sum & 0xffff) + (sum >> 16));
  frame[24] = static_cast<std::byte>(sum >> 8);
  frame[25] = static_cast<std::byte>(sum);
  Append(frame, {0, 68, 0, 67, 308 >> 8, 308 & 255, 0, 0});
  frame.insert(frame.end(), bootp.begin(), bootp.end());
  return frame;
}

std::vector<std::byte> ArpRequest() {
  std::vector<std::byte> frame(6, std::byte{0xff});
  AppendAddress(frame);
  Append(frame, {8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
  AppendAddress(frame);
  for (const uint8_t octet : kGuest) frame.push_back(std::byte{octet});
  Append(frame, {0, 0, 0, 0, 0, 0});
  for (const uint8_t octet : kGateway) frame.push_back(std::byte{octet});
  return frame;
}

bool HasAt(const std::vector<std::byte>& frame, size_t at, std::span<const uint8_t> bytes) {
  return frame.size() >= at + bytes.size() &&
         std::memcmp(frame.data() + at, bytes.data(), bytes.size()) == 0;
}

TEST(PasstTest, GivesTheGuestAnAddressAndAnswersForItsGateway) {
  if (::geteuid() != 0) GTEST_SKIP() << "NOT RUN: making a network of its own needs root";
  if (::access(kPasst, X_OK) != 0) GTEST_SKIP() << "NOT RUN: no " << kPasst;
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "NOT RUN: no /dev/net/tun";
  const auto network = NetworkNamespace::Enter();
  if (!network) GTEST_SKIP() << "NOT RUN: " << network.error().message();
  // passt hands on the address of the interface with the default route; a tap is one.
  const auto uplink = Tap::Open("uplink0", 1);
  ASSERT_TRUE(uplink) << uplink.error().message();
  ASSERT_TRUE((*network)->SetUp("uplink0", true));
  ASSERT_TRUE((*network)->SetAddress("uplink0", kGuestAddress));
  ASSERT_TRUE((*network)->RouteAllBy("uplink0", "10.77.0.1"));

  const TemporaryDirectory directory;
  // As root it drops to another user, who makes the socket.
  ASSERT_EQ(::chmod(directory.Path("").c_str(), 0777), 0);
  const std::string path = directory.Path("passt.sock");
  Passt passt(path);
  ASSERT_TRUE(passt.IsReady()) << passt.said();

  auto link = StreamLink::Connect(path);
  ASSERT_TRUE(link) << link.error().message();
  const auto device = *NetDevice::Create(*std::move(link), {.interface_id = "eth0"});
  Rig rig(*device);
  NetDriver driver(rig, {.features = kNetMergeable});
  driver.Offer(32, 1530);
  driver.KickReceive();
  rig.Pump();
  const auto wait_for = [&](auto is_it) {
    for (;;) {
      rig.Pump();
      while (const auto packet = driver.Take()) {
        if (is_it(packet->frame)) return true;
      }
      pollfd wait{.fd = device->host_event_fd(), .events = POLLIN, .revents = 0};
      if (::poll(&wait, 1, 10000) <= 0) return false;
    }
  };

  driver.Send(ArpRequest());
  EXPECT_TRUE(wait_for([](const std::vector<std::byte>& frame) {
    constexpr std::array<uint8_t, 10> kReply{8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
    return HasAt(frame, 12, kReply) && HasAt(frame, 28, kGateway) && HasAt(frame, 38, kGuest);
  }));
  driver.Send(DhcpDiscover());
  EXPECT_TRUE(wait_for([](const std::vector<std::byte>& frame) {
    constexpr std::array<uint8_t, 4> kServerToClient{0, 67, 0, 68};
    return HasAt(frame, 34, kServerToClient) && HasAt(frame, 58, kGuest);
  }));
  EXPECT_EQ(driver.link_status(), 1);
}

}  // namespace
}  // namespace ember::virtio::testing
