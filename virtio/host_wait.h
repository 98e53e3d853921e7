#ifndef EMBER_VIRTIO_HOST_WAIT_H_
#define EMBER_VIRTIO_HOST_WAIT_H_

namespace ember::virtio {

// A wait for the host that is cheaper than epoll's: inside io_uring_enter(2), a completion wakes
// the thread that has it, and no descriptor has to be asked what it was. Used by one thread, in
// turns of Prepare(), Wait(), VirtioDevice::OnHostEvents() and TakeReadable(); see
// DeviceState::WaitForHost().
class HostWait {
 public:
  virtual ~HostWait() = default;

  // Makes sure that Wait() returns when `fd` is readable, too. False: there is nothing to wait for,
  // since there is something to do. The device's mutex is held.
  virtual bool Prepare(int fd) = 0;
  // Returns when `fd` is readable, when OnHostEvents() has something to do, or early. The mutex is
  // not held, and others may be in the device.
  virtual void Wait() = 0;
  // Whether `fd` may have become readable since this was asked last. The mutex is held.
  virtual bool TakeReadable() = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_HOST_WAIT_H_
