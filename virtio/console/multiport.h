#ifndef EMBER_VIRTIO_CONSOLE_MULTIPORT_H_
#define EMBER_VIRTIO_CONSOLE_MULTIPORT_H_

#include <linux/virtio_console.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "virtio/console/console_size.h"
#include "virtio/console/console_state.h"

namespace ember::virtio {

// The two orders of the numbers in a RESIZE message.
enum class ResizeOrder : uint8_t {
  kColumnsFirst,  // virtio 1.2, 5.3.6.2; Linux 6.15 and the stable kernels that its change went to
  kRowsFirst,     // what other Linux reads
};

// What is said over the control queues about the ports of one device (virtio 1.2, 5.3.6.2): the
// handshake by which the driver learns of them, and what changes later. What is to be said is kept
// as one mark for each port and kind of message, so that it cannot pile up, whatever the driver
// does; a message has the values of the moment it is taken. One thread at a time.
class Multiport {
 public:
  struct Port {
    std::string name;  // at most kMaxNameBytes
    bool is_console = false;
    bool host_open = false;
    std::optional<ConsoleSize> size;
  };
  static constexpr size_t kMaxNameBytes = 64;
  static constexpr size_t kMaxMessageBytes = sizeof(virtio_console_control) + kMaxNameBytes;

  Multiport(std::vector<Port> ports, ResizeOrder resize_order);

  // For a snapshot, and back. An error: there are other ports, or no conversation comes there.
  ConsoleState Save() const;
  Status Restore(const ConsoleState& state);

  // As before DEVICE_READY: for a new driver.
  void Reset();

  // What the driver says; false where it makes no sense now, and changes nothing.
  bool OnMessage(const virtio_console_control& message);
  void SetHostOpen(size_t port, bool open);
  void SetSize(size_t port, ConsoleSize size);

  // The next message for the driver, in `room`; empty where there is none. The same again until
  // DropMessage().
  std::span<const std::byte> NextMessage(std::span<std::byte, kMaxMessageBytes> room) const;
  void DropMessage();

  // The last size that the driver was told of, or will be.
  std::optional<ConsoleSize> size(size_t port) const { return ports_[port].size; }
  // Whether the driver has the port open.
  bool guest_open(size_t port) const { return states_[port].guest_open; }

 private:
  // The kinds of message, in the order in which they are sent.
  enum Kind : uint8_t { kAdd, kConsole, kName, kResize, kOpen, kKinds };
  using Phase = ConsolePortPhase;
  struct State {
    Phase phase = Phase::kUnknown;
    bool guest_open = false;
    uint8_t marks = 0;  // of what is to be said, by Kind
  };
  struct Next {
    size_t port;
    Kind kind;
  };

  static constexpr uint8_t Mark(Kind kind) { return static_cast<uint8_t>(1U << kind); }
  std::optional<Next> FindNext() const;
  void OnDeviceReady();
  bool OnPortReady(size_t port, bool success);

  std::vector<Port> ports_;
  const ResizeOrder resize_order_;
  std::vector<State> states_;
  bool device_ready_ = false;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_MULTIPORT_H_
