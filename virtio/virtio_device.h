#ifndef EMBER_VIRTIO_VIRTIO_DEVICE_H_
#define EMBER_VIRTIO_VIRTIO_DEVICE_H_

#include <linux/virtio_ids.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "virtio/activation.h"
#include "virtio/features.h"
#include "virtio/host_wait.h"
#include "virtio/queue_types.h"

namespace ember::virtio {

// virtio 1.2, 5.
enum class DeviceId : uint32_t {
  kNet = VIRTIO_ID_NET,
  kBlock = VIRTIO_ID_BLOCK,
  kConsole = VIRTIO_ID_CONSOLE,
  kRng = VIRTIO_ID_RNG,
  kBalloon = VIRTIO_ID_BALLOON,
  kVsock = VIRTIO_ID_VSOCK,
  kMem = VIRTIO_ID_MEM,
  kPmem = VIRTIO_ID_PMEM,
};

// Whether a call did all the work there was, or stopped at its limit so that others get their turn.
enum class Progress { kDone, kMore };

// A device behind a transport. It knows no registers, no addresses of its own and no KVM.
//
// Thread safety: its DeviceState calls every method with the state's mutex held, so no two run at
// once and a device needs no lock of its own for what only these methods touch. OnNotify() and
// OnHostEvents() come from the device's thread (the event loop or its own), Activate(), Reset() and
// the configuration space from vCPU threads. What stands before Activate() answers the same at all
// times. What clients ask of a device while it is plugged in goes through
// DeviceState::WithDevice().
class VirtioDevice {
 public:
  virtual ~VirtioDevice() = default;
  // For logs: "block rootfs".
  virtual std::string_view name() const = 0;
  virtual DeviceId id() const = 0;
  // The device's own; the transport adds kCommonFeatures.
  virtual Features offered_features() const = 0;
  // What of kCommonFeatures its queues do: all, where they are our Queue.
  virtual Features queue_features() const { return kCommonFeatures; }
  // Whether another process works on the queues while the device is active: it gets
  // Activation::notify_fds, nobody else reads them, and OnNotify() is never called.
  virtual bool serves_queues_elsewhere() const { return false; }
  // The largest size of each queue, powers of two.
  virtual std::span<const QueueSize> max_queue_sizes() const = 0;

  // The driver is ready. The device is not active. An error makes the driver reset the device,
  // which stays inactive.
  virtual Status Activate(Activation activation) = 0;
  // The driver says that the queue has new buffers; it may say so wrongly, and of queues that are
  // not set up. Only while active. Returns kMore after a bounded amount of work, and is called
  // again.
  virtual Progress OnNotify(QueueIndex queue) = 0;
  // Drops the activation: after return no ring and no buffer is touched. Only while active.
  virtual void Reset() = 0;

  // Comes to rest for a snapshot: answers or puts back every chain it has and shows the driver what
  // it answered. Waits for the host where it must. Nothing else is called until the snapshot is
  // written; then OnNotify() for each queue that is set up, and all goes on. Only while active, and
  // not after DriverEvents::NeedsReset(). An error: it cannot, and goes on in the same way.
  virtual Status ComeToRest() { return Error("the device cannot be part of a snapshot"); }
  // The activation just made is that of a snapshot: its driver is up, and believes of the device
  // what was true then. Right after Activate(). An error: it cannot go on from there.
  virtual Status OnRestored() { return {}; }

  // A descriptor that is readable while the host has something for the device: a packet, finished
  // I/O, a timer's end. An EventSet's, as a rule, for what is in that may change on any thread. The
  // same at all times; -1: there never is anything.
  virtual int host_event_fd() const { return -1; }
  // It is readable. From the device's thread, also while inactive and after DriverEvents::
  // NeedsReset(), when no queue may be touched: the device then silences what it cannot handle, or
  // is called for ever. Does a bounded amount of work, and is called again while it is readable.
  virtual void OnHostEvents() {}

  // The device gets a thread for itself, which is told how else than for host_event_fd() it may
  // wait for what takes most of its time; that is no longer in host_event_fd(). Null: in no other
  // way. Once, before there is that thread; borrowed, the device's.
  virtual HostWait* TakeHostWait() { return nullptr; }

  // The device's configuration space (virtio 1.2, 2.5). `out` is zero-filled before; offsets and
  // lengths are the driver's, any of 1, 2, 4 and 8 bytes.
  virtual void ReadConfig(uint64_t /*offset*/, std::span<std::byte> /*out*/) const {}
  virtual void WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {}
  // Whether WriteConfig() is called also before the driver has found the device (status DRIVER).
  virtual bool takes_early_config_writes() const { return false; }
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VIRTIO_DEVICE_H_
