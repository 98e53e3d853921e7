#ifndef EMBER_VIRTIO_VSOCK_VSOCK_DEVICE_H_
#define EMBER_VIRTIO_VSOCK_VSOCK_DEVICE_H_

#include <linux/virtio_vsock.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "virtio/virtio_device.h"
#include "virtio/vsock/metrics.h"
#include "virtio/vsock/multiplexer.h"

namespace ember::virtio {

// VIRTIO_VSOCK_F_STREAM (virtio 1.2, 5.10.3), which the headers of Linux 6.1 lack.
inline constexpr unsigned kVsockStreamFeature = 0;

// virtio-vsock (virtio 1.2, 5.10), stream sockets, with Unix sockets at the host's end; Multiplexer
// says which. This class is its three queues: packets go from tx to the multiplexer and from there
// to rx, between the guest's buffers and the sockets without a copy where the sockets keep up. A
// full rx queue stops the reading of sockets; tx goes on until answers find no room. One wake-up
// moves a bounded amount in each direction. Threads as VirtioDevice says; metrics() from any.
class VsockDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  static constexpr QueueIndex kRxQueue{0};
  static constexpr QueueIndex kTxQueue{1};
  static constexpr QueueIndex kEventQueue{2};
  // A wake-up ends, for each direction, when its packets cost this much: their bytes and
  // kPacketCostBytes each.
  static constexpr int64_t kWakeUpBudgetBytes = int64_t{4} << 20;
  static constexpr int64_t kPacketCostBytes = int64_t{16} << 10;

  struct Options {
    uint64_t guest_cid = kMinGuestCid;  // at least kMinGuestCid
    std::string uds_path;
    const Clock& clock = MonotonicClock();  // outlives the device
  };

  // Creates the socket at uds_path, which is removed with the device; an error names the path.
  static Result<std::unique_ptr<VsockDevice>> Create(const Options& options);
  ~VsockDevice() override;

  const VsockMetrics& metrics() const { return metrics_; }
  size_t connection_count() const { return multiplexer_->connection_count(); }

  // The guest was moved to another host or another time: closes every connection and tells the
  // driver that they are gone (TRANSPORT_RESET, 5.10.6.7), as soon as it has a buffer for that. In
  // DeviceState::WithDevice(), on the device's thread.
  void ResetTransport();

  std::string_view name() const override { return "vsock"; }
  DeviceId id() const override { return DeviceId::kVsock; }
  Features offered_features() const override { return Features{kVsockStreamFeature}; }
  std::span<const QueueSize> max_queue_sizes() const override { return kQueueSizes; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // It keeps no chain from one call to the next.
  Status ComeToRest() override { return {}; }
  // Nobody is at the host's end of the streams that the driver had.
  Status OnRestored() override {
    ResetTransport();
    return {};
  }
  int host_event_fd() const override { return multiplexer_->fd().get(); }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  static constexpr std::array<QueueSize, 3> kQueueSizes{kQueueSize, kQueueSize, kQueueSize};

  // What exists while the device is active.
  struct Active {
    DriverEvents& driver;
    Queue rx;
    Queue tx;
    std::optional<Queue> event;
    ChainStorage storage;         // for one chain at a time, of any queue
    bool rx_has_room = true;      // or was found empty, and the driver will notify
    bool tx_has_packets = false;  // or was found empty, and the driver will notify
    bool event_due = false;       // TRANSPORT_RESET waits for a buffer
    bool broken = false;          // after DriverEvents::NeedsReset()
  };

  explicit VsockDevice(const Options& options) { config_.guest_cid = options.guest_cid; }

  // Moves packets both ways.
  Progress Work();
  void DrainTx(int64_t& budget);
  // Takes packets until there are none, or no more can be taken. False where there are none.
  bool TakePackets(int64_t& budget);
  void FillRx(int64_t& budget);
  // Puts the next packet. False where the driver has no buffer for it.
  bool PutPacket(int64_t& budget);
  // TRANSPORT_RESET, if it is due and the driver has a buffer for it.
  void PutEvent();
  void PutEventInto(DescriptorChain chain);
  // Looks whether the driver broke the rules on a queue that nothing is wanted of.
  void Check(Queue& queue, QueueIndex index);
  void Break(QueueIndex index, Breach breach);

  VsockMetrics metrics_;
  virtio_vsock_config config_{};
  std::unique_ptr<Multiplexer> multiplexer_;  // never null once created
  std::unique_ptr<Active> active_;            // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_VSOCK_DEVICE_H_
