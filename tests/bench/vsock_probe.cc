// vsock_probe ROUNDS: the throughput of a vsock stream, in-process driver to Unix socket and back,
// against a bare Unix socket pair, with chunks of the same size, in turns, so that all see the same
// machine. Prints
//   {"guest_to_host_bytes_per_s": [of each round…], "host_to_guest_bytes_per_s": […],
//    "socket_bytes_per_s": […]}
// In each of the three one thread does the near end (the guest's driver and the device, or write())
// and another the far end's plain read() or write().
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/unix_socket.h"
#include "tests/base/temporary_directory.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/driver/vsock_driver.h"
#include "virtio/vsock/vsock_device.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kChunkBytes = 65536;
constexpr uint64_t kBytesPerRound = uint64_t{512} << 20;
constexpr uint32_t kGuestBufferBytes = uint32_t{1} << 20;
constexpr uint32_t kGuestPort = 1024;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void ReadAll(const Fd& fd, uint64_t bytes) {
  std::vector<char> chunk(kChunkBytes);
  while (bytes > 0) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got <= 0) Fail("vsock_probe: read");
    bytes -= static_cast<uint64_t>(got);
  }
}

void WriteAllOf(const Fd& fd, uint64_t bytes) {
  const std::vector<char> chunk(kChunkBytes, 'x');
  while (bytes > 0) {
    const ssize_t sent = ::write(fd.get(), chunk.data(), std::min<uint64_t>(bytes, chunk.size()));
    if (sent <= 0) Fail("vsock_probe: write");
    bytes -= static_cast<uint64_t>(sent);
  }
}

// Bytes a second of `near` here with `far` on a thread, both of which move kBytesPerRound.
template <typename Near, typename Far>
double Rate(Near near, Far far) {
  const auto began = std::chrono::steady_clock::now();
  {
    Thread thread = *Thread::Start("far end", far);
    near();
    thread.Join();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return static_cast<double>(kBytesPerRound) / took.count();
}

double SocketRate() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) Fail("socketpair");
  const Fd near(ends[0]);
  const Fd far(ends[1]);
  return Rate([&] { WriteAllOf(near, kBytesPerRound); }, [&] { ReadAll(far, kBytesPerRound); });
}

// A stream from the guest to a socket at the host, open for its life.
class Stream {
 public:
  Stream() {
    const UnixListener listener = *UnixListener::Bind(directory_.Path("v_52"));
    driver_.Send(Header(kVsockRequest, 0));
    rig_.Pump();
    host_ = *listener.Accept();
    // The far end waits in its calls.
    if (::fcntl(host_.get(), F_SETFL, 0) < 0) Fail("fcntl");
    Hear();
  }

  double GuestToHostRate() {
    return Rate([this] { SendAll(); }, [this] { ReadAll(host_, kBytesPerRound); });
  }
  double HostToGuestRate() {
    return Rate([this] { ReceiveAll(); }, [this] { WriteAllOf(host_, kBytesPerRound); });
  }

 private:
  VsockHeader Header(uint16_t op, uint32_t len) const {
    return {.src_cid = 3,
            .dst_cid = 2,
            .src_port = kGuestPort,
            .dst_port = 52,
            .len = len,
            .type = kVsockStream,
            .op = op,
            .buf_alloc = kGuestBufferBytes,
            .fwd_cnt = received_};
  }
  uint32_t credit() const { return host_buffer_ - (sent_ - forwarded_); }

  void SendAll() {
    for (uint64_t left = kBytesPerRound; left > 0;) {
      bool put = false;
      while (left > 0 && credit() >= kChunkBytes && driver_.can_put()) {
        driver_.PutStale(Header(kVsockRw, kChunkBytes));
        sent_ += kChunkBytes;
        left -= kChunkBytes;
        put = true;
      }
      if (put) driver_.KickTx();
      Work(put);
    }
    while (forwarded_ != sent_) {
      driver_.Send(Header(kVsockCreditRequest, 0));
      Work(/*busy=*/false);
    }
  }

  void ReceiveAll() {
    const uint32_t until = received_ + static_cast<uint32_t>(kBytesPerRound);
    while (received_ != until) {
      const bool news = received_ - told_ >= kGuestBufferBytes / 2;
      if (news) {
        told_ = received_;
        driver_.Send(Header(kVsockCreditUpdate, 0));
      }
      Work(news);
    }
  }

  // Lets the device work, and waits for the host where there is nothing to do.
  void Work(bool busy) {
    if (!rig_.PumpOnce() && !busy) {
      pollfd host{.fd = rig_.state().device().host_event_fd(), .events = POLLIN, .revents = 0};
      ::poll(&host, 1, -1);
      rig_.PumpOnce();
    }
    Hear();
  }

  void Hear() {
    while (const auto header = driver_.ReceiveHeader()) {
      host_buffer_ = header->buf_alloc;
      forwarded_ = header->fwd_cnt;
      received_ += header->len;
    }
  }

  TemporaryDirectory directory_;
  std::unique_ptr<VsockDevice> device_ =
      *VsockDevice::Create({.guest_cid = 3, .uds_path = directory_.Path("v")});
  Rig rig_{*device_};
  VsockDriver driver_{rig_,
                      {.features = kEventIndexFeature64,
                       .rx_buffers = 16,
                       .rx_buffer_bytes = kChunkBytes + sizeof(VsockHeader),
                       .tx_buffers = 16,
                       .tx_buffer_bytes = kChunkBytes + sizeof(VsockHeader)}};
  Fd host_;
  // The credit of either end, counts that wrap.
  uint32_t host_buffer_ = 0;
  uint32_t sent_ = 0;
  uint32_t forwarded_ = 0;
  uint32_t received_ = 0;
  uint32_t told_ = 0;
};

void Print(const char* name, const std::vector<double>& values, const char* after) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.0f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

int Run(int rounds) {
  ConfigureLog({.level = LogLevel::kError, .instance_id = {}});
  Stream stream;
  std::vector<double> to_host;
  std::vector<double> to_guest;
  std::vector<double> socket;
  for (int round = 0; round <= rounds; ++round) {
    const std::array<double, 3> rates{stream.GuestToHostRate(), stream.HostToGuestRate(),
                                      SocketRate()};
    if (round == 0) continue;  // warms up
    to_host.push_back(rates[0]);
    to_guest.push_back(rates[1]);
    socket.push_back(rates[2]);
  }
  std::printf("{");
  Print("guest_to_host_bytes_per_s", to_host, ", ");
  Print("host_to_guest_bytes_per_s", to_guest, ", ");
  Print("socket_bytes_per_s", socket, "}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: vsock_probe ROUNDS\n");
    return 2;
  }
  return ember::virtio::testing::Run(std::atoi(argv[1]));
}
