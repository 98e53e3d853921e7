#ifndef EMBER_DEVICES_SERIAL_INPUT_H_
#define EMBER_DEVICES_SERIAL_INPUT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/counter.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "devices/serial.h"

namespace ember {

// Carries a descriptor's bytes (a terminal, pipe, socket or file) into a serial port, as fast as
// the guest takes them: while the port is full nothing is read, and what is not read waits with its
// sender. At the end of the input it falls silent.
//
// Loop thread, or while the loop does not run; only OnReceiveRoom() comes from vCPU threads.
class SerialInput final : public SerialRoomListener {
 public:
  struct Metrics {
    Counter read_bytes;
    Counter read_errors;
  };

  // Takes a non-blocking descriptor (devices/console_fd.h). The loop and the port must outlive it.
  // It is the port's only listener.
  static Result<std::unique_ptr<SerialInput>> Create(EventLoop& loop, Fd fd, Serial& serial);
  ~SerialInput() override;

  void OnReceiveRoom() override;

  // Nothing more will come: the input ended or failed.
  bool ended() const { return ended_; }
  const Metrics& metrics() const { return metrics_; }

 private:
  SerialInput(EventLoop& loop, Fd fd, Fd wake, Serial& serial);

  void OnWake();
  // Moves at most one FIFO's worth, and arranges to be called for the next.
  void Move();
  // Hands over what was read before. Whether that was all.
  bool DeliverPending();
  // What came, until nothing can be read now: false.
  bool ReadPending(size_t room);
  void AwaitReadable();
  void End();

  // Constant.
  EventLoop& loop_;
  const Fd fd_;
  const Fd wake_;  // signalled when the port has room again
  Serial& serial_;

  Metrics metrics_;

  // Loop thread.
  bool ended_ = false;
  bool pollable_ = true;  // a regular file is not: it is always readable
  // Read, but refused by a port that lost its room in between.
  std::array<std::byte, Serial::kReceiveFifoBytes> buffer_{};
  std::span<const std::byte> pending_;
  std::optional<EventLoop::Watch> wake_watch_;
  std::optional<EventLoop::Watch> readable_watch_;
};

}  // namespace ember

#endif  // EMBER_DEVICES_SERIAL_INPUT_H_
