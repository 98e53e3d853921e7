#ifndef EMBER_DEVICES_SERIAL_H_
#define EMBER_DEVICES_SERIAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/counter.h"
#include "base/thread_annotations.h"
#include "devices/bus_device.h"
#include "devices/interrupt_line.h"
#include "devices/serial_sink.h"

namespace ember {

// Told when a serial port that refused input can take some.
class SerialRoomListener {
 public:
  virtual ~SerialRoomListener() = default;
  // Called on a vCPU thread with the port's lock held: must not block nor call the port back.
  virtual void OnReceiveRoom() = 0;
};

// A 16550A UART (National Semiconductor PC16550D), eight byte-wide registers. Transmission takes no
// time: a byte written goes to the sink at once and the transmitter is empty again. Received bytes
// wait in a FIFO; what does not fit is refused, so that it stays with the sender. Like a terminal
// wired for flow control, it takes input only while the guest raises RTS or has the receive
// interrupt on: bytes sent while it boots are not lost when its driver clears the FIFO.
//
// The line is edge-triggered and triggered once for each interrupt cause that comes up. OUT2 does
// not gate it, as it does on a PC's board: small guests never set it.
//
// Any thread. Lock order: the port's, then the sink's.
class Serial final : public BusDevice {
 public:
  static constexpr uint64_t kRegisterBytes = 8;
  // The 16550A's own has 16; a driver cannot tell, and reads more for each interrupt.
  static constexpr size_t kReceiveFifoBytes = 64;

  struct State {
    uint8_t interrupt_enable = 0;
    uint8_t fifo_control = 0;
    uint8_t line_control = 0;
    uint8_t modem_control = 0;
    uint8_t line_errors = 0;   // LSR bits 1 to 4, until it is read
    uint8_t modem_deltas = 0;  // MSR bits 0 to 3, until it is read
    uint8_t scratch = 0;
    uint16_t divisor = 12;  // 9600 baud
    bool transmit_interrupt = false;
    std::array<std::byte, kReceiveFifoBytes> received{};  // oldest first
    uint8_t received_count = 0;
  };

  struct Metrics {
    Counter transmitted_bytes;
    Counter received_bytes;    // into the FIFO
    Counter taken_bytes;       // out of it, by the guest
    Counter read_bad_length;   // not one byte
    Counter write_bad_length;  // not one byte
    Counter overruns;          // only by loopback: input from outside waits
  };

  // The references must outlive it.
  Serial(InterruptLine& interrupt, SerialSink& sink) : Serial(interrupt, sink, State{}) {}
  // Restored. Bits that a register does not have are dropped.
  Serial(InterruptLine& interrupt, SerialSink& sink, const State& state);

  State Save() const EXCLUDES(mutex_);

  std::string_view name() const override { return "serial"; }
  void Read(uint64_t offset, std::span<std::byte> out) override EXCLUDES(mutex_);
  void Write(uint64_t offset, std::span<const std::byte> in) override EXCLUDES(mutex_);

  // Of a restored port, once interrupts can be delivered: triggers the line if a cause is up. An
  // edge that was under way as the state was saved is in no state.
  void RepeatInterrupt() EXCLUDES(mutex_);

  // How many bytes Receive() would take now. Where that is 0 the listener will be told of room.
  size_t ReceiveRoom() EXCLUDES(mutex_);
  // Takes the first of `bytes`, as many as it has room for, and returns how many. Where that is not
  // all, the listener will be told of room.
  size_t Receive(std::span<const std::byte> bytes) EXCLUDES(mutex_);
  // Once this returns, the listener before is not called any more. May be null.
  void SetRoomListener(SerialRoomListener* listener) EXCLUDES(mutex_);

  const Metrics& metrics() const { return metrics_; }

 private:
  uint8_t ReadLocked(uint64_t offset) REQUIRES(mutex_);
  void WriteLocked(uint64_t offset, uint8_t value) REQUIRES(mutex_);

  uint8_t TakeReceivedLocked() REQUIRES(mutex_);
  uint8_t TakeInterruptIdLocked() REQUIRES(mutex_);
  uint8_t TakeLineStatusLocked() REQUIRES(mutex_);
  uint8_t TakeModemStatusLocked() REQUIRES(mutex_);
  void TransmitLocked(uint8_t value) REQUIRES(mutex_);
  void LoopBackLocked(std::byte byte) REQUIRES(mutex_);
  void SetInterruptEnableLocked(uint8_t value) REQUIRES(mutex_);
  void SetFifoControlLocked(uint8_t value) REQUIRES(mutex_);
  void SetModemControlLocked(uint8_t value) REQUIRES(mutex_);

  bool divisor_latch_open() const REQUIRES(mutex_);
  bool fifo_enabled() const REQUIRES(mutex_);
  bool loopback() const REQUIRES(mutex_);
  size_t CapacityLocked() const REQUIRES(mutex_);
  size_t RoomLocked() const REQUIRES(mutex_);
  void PushLocked(std::byte byte) REQUIRES(mutex_);
  // The causes that are both up and enabled, as bits of the interrupt enable register.
  uint8_t PendingLocked() const REQUIRES(mutex_);
  void TellOfRoomLocked() REQUIRES(mutex_);

  InterruptLine& interrupt_;
  SerialSink& sink_;
  Metrics metrics_;

  mutable Mutex mutex_;
  State state_ GUARDED_BY(mutex_);  // `received` as a ring that starts at first_received_
  size_t first_received_ GUARDED_BY(mutex_) = 0;
  SerialRoomListener* room_listener_ GUARDED_BY(mutex_) = nullptr;
  bool room_wanted_ GUARDED_BY(mutex_) = false;
};

}  // namespace ember

#endif  // EMBER_DEVICES_SERIAL_H_
