#ifndef EMBER_VIRTIO_CONSOLE_CONSOLE_DEVICE_H_
#define EMBER_VIRTIO_CONSOLE_CONSOLE_DEVICE_H_

#include <linux/virtio_console.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/event_set.h"
#include "base/fd.h"
#include "base/timer.h"
#include "virtio/console/console_port.h"
#include "virtio/console/console_state.h"
#include "virtio/console/control_queues.h"
#include "virtio/console/metrics.h"
#include "virtio/console/multiport.h"
#include "virtio/console/port_queues.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// virtio-console (virtio 1.2, 5.3) with ports that clients attach to over Unix sockets
// (console_port.h). Port 0 is the only one of a driver without MULTIPORT. With it, a port gets
// input once the driver has it open; output is taken from any port at any time.
//
// Clients stay attached over resets of the device, and what they send meanwhile waits in their
// sockets. Threads as VirtioDevice says; metrics() from any.
class ConsoleDevice final : public VirtioDevice {
 public:
  static constexpr size_t kMaxPorts = 8;
  static constexpr QueueSize kQueueSize{128};
  static constexpr QueueSize kControlQueueSize{64};

  struct Options {
    std::vector<ConsolePort::Options> ports;  // 1 to kMaxPorts
    ResizeOrder resize_order = ResizeOrder::kColumnsFirst;
    std::optional<ConsoleState> state;  // of a snapshot
  };

  // The sockets are there when it returns.
  static Result<std::unique_ptr<ConsoleDevice>> Create(const Options& options);
  ~ConsoleDevice() override;

  const ConsoleMetrics& metrics() const { return metrics_; }
  // For a snapshot; in a DeviceHold, or under DeviceState::WithDevice().
  ConsoleState Save() const { return multiport_->Save(); }

  // The port of this name; nothing where there is none.
  std::optional<size_t> FindPort(std::string_view name) const;
  // As ConsolePort::Attach().
  Status Attach(size_t port, Fd fd, ConsoleOpening opening);
  // A port's terminal has another size.
  void Resize(size_t port, ConsoleSize size);

  std::string_view name() const override { return "console"; }
  DeviceId id() const override { return DeviceId::kConsole; }
  Features offered_features() const override;
  std::span<const QueueSize> max_queue_sizes() const override { return queue_sizes_; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  Status ComeToRest() override;
  int host_event_fd() const override { return events_.fd().get(); }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  // emerg_wr is port 0's output.
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;
  bool takes_early_config_writes() const override { return true; }

 private:
  // What exists while the device is active.
  struct Active {
    DriverEvents& driver;
    bool multiport;
    ControlQueues control;
    std::vector<std::unique_ptr<PortQueues>> ports;
    bool broken = false;  // after DriverEvents::NeedsReset()
  };

  ConsoleDevice(EventSet events, Timer again);

  // The ports' clients are others than those that the driver knows of.
  Status Restore(const ConsoleState& state);
  // What `work` on that queue came to; a breach is told to the driver.
  Progress Note(QueueIndex queue, const OrBreach<Progress>& work);
  Progress OnPortNotify(size_t port, QueueIndex queue);
  // Takes the driver's messages and answers them.
  Progress Converse();
  // Passes input to the guest, where it is open to it.
  Progress PassInput(size_t port);
  // What a port's clients changed.
  void TakeChanges(size_t port);
  void SetSize(size_t port, ConsoleSize size);

  // Constant after construction.
  EventSet events_;
  Timer again_;  // in the set: work that no descriptor tells of
  std::vector<QueueSize> queue_sizes_;

  ConsoleMetrics metrics_;
  virtio_console_config config_{};
  std::vector<std::unique_ptr<ConsolePort>> ports_;
  std::optional<Multiport> multiport_;  // there once the ports are
  std::unique_ptr<Active> active_;      // null while inactive; uses all above
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_CONSOLE_DEVICE_H_
