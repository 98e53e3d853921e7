#ifndef EMBER_TESTS_VIRTIO_CONSOLE_CONSOLE_BENCH_H_
#define EMBER_TESTS_VIRTIO_CONSOLE_CONSOLE_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "tests/base/temporary_directory.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/console/console_device.h"

namespace ember::virtio::testing {

// Events as the specification prints them (virtio 1.2, 5.3.6.2).
inline constexpr uint16_t kDeviceReady = 0;
inline constexpr uint16_t kPortAdd = 1;
inline constexpr uint16_t kPortReady = 3;
inline constexpr uint16_t kConsolePort = 4;
inline constexpr uint16_t kResize = 5;
inline constexpr uint16_t kPortOpen = 6;
inline constexpr uint16_t kPortName = 7;

inline constexpr uint64_t kMultiportFeature = uint64_t{1} << 1;

struct ControlMessage {
  uint32_t port = 0;
  uint16_t event = 0;
  uint16_t value = 0;
  std::string body;

  friend bool operator==(const ControlMessage&, const ControlMessage&) = default;
};

// A console driver over a Rig: rings for all queues, the control conversation, input and output.
class ConsoleGuest {
 public:
  static constexpr uint16_t kRingSize = 32;
  static constexpr uint32_t kMaxControlBytes = 64;

  ConsoleGuest(Rig& rig, size_t port_count);

  // From reset to DRIVER_OK with all rings, anew.
  void Start(uint64_t features = kMultiportFeature);
  // Start(), and the handshake of a driver that opens each port.
  void StartAndOpen();

  void SendControl(uint32_t port, uint16_t event, uint16_t value);
  void SendControl(std::string_view bytes);
  // Gives the device buffers for messages.
  void PostControl(int count, uint32_t len = 128);
  // All messages that came.
  std::vector<ControlMessage> TakeControl();

  // Output: the text in one buffer; pumped unless told otherwise.
  void Write(size_t port, std::string_view text);
  // Gives the device a buffer for input.
  void PostInput(size_t port, uint32_t len);
  // All input that came.
  std::string TakeInput(size_t port);

  DriverRing& receive(size_t port) { return rings_[port == 0 ? 0 : 2 * port + 2]; }
  DriverRing& transmit(size_t port) { return rings_[port == 0 ? 1 : 2 * port + 3]; }
  DriverRing& control_receive() { return rings_[2]; }
  DriverRing& control_transmit() { return rings_[3]; }
  // Publishes the ring, notifies its queue and pumps.
  void Kick(DriverRing& ring);

 private:
  struct Buffer {
    GuestAddress at;
    uint32_t len;
  };
  std::vector<std::string> TakeFilled(DriverRing& ring);
  void Post(DriverRing& ring, uint32_t len);

  Rig& rig_;
  std::deque<DriverRing> rings_;
  std::map<const DriverRing*, std::map<uint16_t, Buffer>> posted_;
  GuestAddress text_;  // where output is put
  // Where control messages are put: one place for each that may be on its way, taken in turn, for
  // a device on another thread reads them when it likes.
  GuestAddress control_text_;
  uint32_t next_control_text_ = 0;
};

inline constexpr uint32_t kTextBytes = 1 << 20;

// A client of a port's socket. Never waits for more than what is there.
class ConsoleSocket {
 public:
  explicit ConsoleSocket(const std::string& path);
  void Send(std::string_view text);
  // How much it took.
  size_t SendSome(std::string_view text);
  // What has come until now.
  std::string Read(size_t limit = size_t{64} << 20);
  // Whether the other side has closed, after all it had to say was read.
  bool closed();
  void ShutDownWrite();
  void Close() { fd_.Reset(); }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

// A console with its sockets in a directory of its own, in a rig with a guest.
struct ConsoleBench {
  explicit ConsoleBench(std::vector<ConsolePort::Options> ports,
                        ResizeOrder order = ResizeOrder::kColumnsFirst);
  // A console port "con" and a generic port "agent".
  ConsoleBench();

  std::string PathOf(size_t port) const { return options.ports[port].socket_path; }
  // Attaches, and lets the device see it.
  ConsoleSocket Attach(size_t port);
  ConsoleSocket AttachResize(size_t port);

  TemporaryDirectory directory;
  ConsoleDevice::Options options;
  std::unique_ptr<ConsoleDevice> device;
  std::unique_ptr<Rig> rig;
  std::unique_ptr<ConsoleGuest> guest;
};

// Of the process, now.
uint64_t ResidentBytes();

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_CONSOLE_CONSOLE_BENCH_H_
