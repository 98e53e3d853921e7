#include "devices/serial.h"

#include <linux/serial_reg.h>

#include <algorithm>

namespace ember {
namespace {

// Section 8 of the PC16550D data sheet. One offset is two registers where reading and writing
// differ; the first two become the divisor latch while LCR bit 7 (DLAB) is set.
enum class Register : uint8_t {
  kData = UART_RX,
  kInterruptEnable = UART_IER,
  kInterruptIdOrFifoControl = UART_IIR,
  kLineControl = UART_LCR,
  kModemControl = UART_MCR,
  kLineStatus = UART_LSR,
  kModemStatus = UART_MSR,
  kScratch = UART_SCR,
};

constexpr uint8_t kInterruptEnableBits =
    UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI;
constexpr uint8_t kFifoControlBits =
    UART_FCR_ENABLE_FIFO | UART_FCR_DMA_SELECT | UART_FCR_TRIGGER_MASK;
constexpr uint8_t kModemControlBits =
    UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP;
constexpr uint8_t kInterruptIdFifosEnabled = 0xc0;
// There is always someone at the other end.
constexpr uint8_t kModemLines = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
constexpr uint8_t kTransmitterEmpty = UART_LSR_TEMT | UART_LSR_THRE;
// Room in the FIFO at which refused input is asked for again: not one byte at a time.
constexpr size_t kRoomToTellOf = Serial::kReceiveFifoBytes / 2;

// The modem lines as MSR shows them. In loopback the outputs come back as inputs.
uint8_t ModemLines(uint8_t modem_control) {
  if ((modem_control & UART_MCR_LOOP) == 0) return kModemLines;
  uint8_t lines = 0;
  if ((modem_control & UART_MCR_RTS) != 0) lines |= UART_MSR_CTS;
  if ((modem_control & UART_MCR_DTR) != 0) lines |= UART_MSR_DSR;
  if ((modem_control & UART_MCR_OUT1) != 0) lines |= UART_MSR_RI;
  if ((modem_control & UART_MCR_OUT2) != 0) lines |= UART_MSR_DCD;
  return lines;
}

uint8_t ModemDeltas(uint8_t before, uint8_t after) {
  const auto changed = static_cast<uint8_t>(before ^ after);
  uint8_t deltas = 0;
  if ((changed & UART_MSR_CTS) != 0) deltas |= UART_MSR_DCTS;
  if ((changed & UART_MSR_DSR) != 0) deltas |= UART_MSR_DDSR;
  if ((changed & UART_MSR_DCD) != 0) deltas |= UART_MSR_DDCD;
  // The ring indicator counts at its end only.
  if ((before & ~after & UART_MSR_RI) != 0) deltas |= UART_MSR_TERI;
  return deltas;
}

size_t TriggerLevel(uint8_t fifo_control) {
  switch (fifo_control & UART_FCR_TRIGGER_MASK) {
    case UART_FCR_TRIGGER_4:
      return 4;
    case UART_FCR_TRIGGER_8:
      return 8;
    case UART_FCR_TRIGGER_14:
      return 14;
    default:
      return 1;
  }
}

// A state may come from a file that someone else wrote.
Serial::State Sanitized(Serial::State state) {
  state.interrupt_enable &= kInterruptEnableBits;
  state.fifo_control &= kFifoControlBits;
  state.modem_control &= kModemControlBits;
  state.line_errors &= UART_LSR_BRK_ERROR_BITS;
  state.modem_deltas &= UART_MSR_ANY_DELTA;
  state.received_count =
      static_cast<uint8_t>(std::min<size_t>(state.received_count, Serial::kReceiveFifoBytes));
  return state;
}

}  // namespace

Serial::Serial(InterruptLine& interrupt, SerialSink& sink, const State& state)
    : interrupt_(interrupt), sink_(sink), state_(Sanitized(state)) {}

Serial::State Serial::Save() const {
  const MutexLock lock(mutex_);
  State saved = state_;
  const auto oldest = saved.received.begin() + static_cast<std::ptrdiff_t>(first_received_);
  std::rotate(saved.received.begin(), oldest, saved.received.end());
  std::ranges::fill(std::span(saved.received).subspan(saved.received_count), std::byte{0});
  return saved;
}

void Serial::Read(uint64_t offset, std::span<std::byte> out) {
  if (out.size() != 1) {
    metrics_.read_bad_length.Add();
    return;
  }
  const MutexLock lock(mutex_);
  out[0] = std::byte{ReadLocked(offset)};
  TellOfRoomLocked();
}

void Serial::Write(uint64_t offset, std::span<const std::byte> in) {
  if (in.size() != 1) {
    metrics_.write_bad_length.Add();
    return;
  }
  const MutexLock lock(mutex_);
  const uint8_t pending_before = PendingLocked();
  WriteLocked(offset, std::to_integer<uint8_t>(in[0]));
  if ((PendingLocked() & ~pending_before) != 0) interrupt_.Trigger();
  TellOfRoomLocked();
}

void Serial::RepeatInterrupt() {
  const MutexLock lock(mutex_);
  if (PendingLocked() != 0) interrupt_.Trigger();
}

size_t Serial::ReceiveRoom() {
  const MutexLock lock(mutex_);
  const size_t room = RoomLocked();
  if (room == 0) room_wanted_ = true;
  return room;
}

size_t Serial::Receive(std::span<const std::byte> bytes) {
  const MutexLock lock(mutex_);
  const size_t count = std::min(bytes.size(), RoomLocked());
  for (const std::byte byte : bytes.first(count)) PushLocked(byte);
  if (count < bytes.size()) room_wanted_ = true;
  // Also where data was pending already: a guest that lost an edge is helped by the next.
  if (count > 0 && (state_.interrupt_enable & UART_IER_RDI) != 0) interrupt_.Trigger();
  return count;
}

void Serial::SetRoomListener(SerialRoomListener* listener) {
  const MutexLock lock(mutex_);
  room_listener_ = listener;
}

uint8_t Serial::ReadLocked(uint64_t offset) {
  switch (static_cast<Register>(offset)) {
    case Register::kData:
      if (divisor_latch_open()) return static_cast<uint8_t>(state_.divisor);
      return TakeReceivedLocked();
    case Register::kInterruptEnable:
      if (divisor_latch_open()) return static_cast<uint8_t>(state_.divisor >> 8);
      return state_.interrupt_enable;
    case Register::kInterruptIdOrFifoControl:
      return TakeInterruptIdLocked();
    case Register::kLineControl:
      return state_.line_control;
    case Register::kModemControl:
      return state_.modem_control;
    case Register::kLineStatus:
      return TakeLineStatusLocked();
    case Register::kModemStatus:
      return TakeModemStatusLocked();
    case Register::kScratch:
      return state_.scratch;
  }
  return 0;
}

void Serial::WriteLocked(uint64_t offset, uint8_t value) {
  switch (static_cast<Register>(offset)) {
    case Register::kData:
      if (divisor_latch_open()) {
        state_.divisor = static_cast<uint16_t>((state_.divisor & 0xff00) | value);
      } else {
        TransmitLocked(value);
      }
      return;
    case Register::kInterruptEnable:
      if (divisor_latch_open()) {
        state_.divisor = static_cast<uint16_t>((state_.divisor & 0x00ff) | value << 8);
      } else {
        SetInterruptEnableLocked(value);
      }
      return;
    case Register::kInterruptIdOrFifoControl:
      SetFifoControlLocked(value);
      return;
    case Register::kLineControl:
      state_.line_control = value;
      return;
    case Register::kModemControl:
      SetModemControlLocked(value);
      return;
    case Register::kScratch:
      state_.scratch = value;
      return;
    case Register::kLineStatus:   // for the factory's tests
    case Register::kModemStatus:  // read-only
      return;
  }
}

uint8_t Serial::TakeReceivedLocked() {
  if (state_.received_count == 0) return 0;
  const std::byte byte = state_.received[first_received_];
  first_received_ = (first_received_ + 1) % kReceiveFifoBytes;
  --state_.received_count;
  metrics_.taken_bytes.Add();
  return std::to_integer<uint8_t>(byte);
}

// The highest cause; reading it acknowledges the transmitter's (8.5).
uint8_t Serial::TakeInterruptIdLocked() {
  const uint8_t fifo_bits = fifo_enabled() ? kInterruptIdFifosEnabled : uint8_t{0};
  const uint8_t pending = PendingLocked();
  uint8_t id = UART_IIR_NO_INT;
  if ((pending & UART_IER_RLSI) != 0) {
    id = UART_IIR_RLSI;
  } else if ((pending & UART_IER_RDI) != 0) {
    const bool below_trigger =
        fifo_enabled() && state_.received_count < TriggerLevel(state_.fifo_control);
    id = below_trigger ? UART_IIR_RX_TIMEOUT : UART_IIR_RDI;
  } else if ((pending & UART_IER_THRI) != 0) {
    state_.transmit_interrupt = false;
    id = UART_IIR_THRI;
  } else if ((pending & UART_IER_MSI) != 0) {
    id = UART_IIR_MSI;
  }
  return static_cast<uint8_t>(fifo_bits | id);
}

uint8_t Serial::TakeLineStatusLocked() {
  uint8_t status = kTransmitterEmpty | state_.line_errors;
  if (state_.received_count > 0) status |= UART_LSR_DR;
  state_.line_errors = 0;
  return status;
}

uint8_t Serial::TakeModemStatusLocked() {
  const auto status = static_cast<uint8_t>(ModemLines(state_.modem_control) | state_.modem_deltas);
  state_.modem_deltas = 0;
  return status;
}

void Serial::TransmitLocked(uint8_t value) {
  metrics_.transmitted_bytes.Add();
  if (loopback()) {
    LoopBackLocked(std::byte{value});
  } else {
    sink_.Put(std::byte{value});
  }
  state_.transmit_interrupt = true;
}

void Serial::LoopBackLocked(std::byte byte) {
  if (state_.received_count < CapacityLocked()) {
    PushLocked(byte);
    return;
  }
  // The FIFO keeps what it has, the single holding register does not (8.3).
  state_.line_errors |= UART_LSR_OE;
  metrics_.overruns.Add();
  if (!fifo_enabled()) {
    state_.received_count = 0;
    PushLocked(byte);
  }
}

void Serial::SetInterruptEnableLocked(uint8_t value) {
  const auto enabled = static_cast<uint8_t>(value & kInterruptEnableBits);
  // Enabling it finds the transmitter empty; Linux tests for that.
  if ((enabled & ~state_.interrupt_enable & UART_IER_THRI) != 0) state_.transmit_interrupt = true;
  state_.interrupt_enable = enabled;
}

void Serial::SetFifoControlLocked(uint8_t value) {
  // The other bits are not programmed unless FIFO enable is written with them (8.4).
  const uint8_t control =
      (value & UART_FCR_ENABLE_FIFO) != 0 ? value & kFifoControlBits : uint8_t{0};
  const bool switched = ((control ^ state_.fifo_control) & UART_FCR_ENABLE_FIFO) != 0;
  const bool cleared = (value & UART_FCR_ENABLE_FIFO) != 0 && (value & UART_FCR_CLEAR_RCVR) != 0;
  if (switched || cleared) state_.received_count = 0;
  state_.fifo_control = control;
}

void Serial::SetModemControlLocked(uint8_t value) {
  const uint8_t lines_before = ModemLines(state_.modem_control);
  state_.modem_control = value & kModemControlBits;
  state_.modem_deltas |= ModemDeltas(lines_before, ModemLines(state_.modem_control));
}

bool Serial::divisor_latch_open() const { return (state_.line_control & UART_LCR_DLAB) != 0; }

bool Serial::fifo_enabled() const { return (state_.fifo_control & UART_FCR_ENABLE_FIFO) != 0; }

bool Serial::loopback() const { return (state_.modem_control & UART_MCR_LOOP) != 0; }

size_t Serial::CapacityLocked() const { return fifo_enabled() ? kReceiveFifoBytes : 1; }

size_t Serial::RoomLocked() const {
  const bool wanted =
      (state_.modem_control & UART_MCR_RTS) != 0 || (state_.interrupt_enable & UART_IER_RDI) != 0;
  if (!wanted || loopback() || state_.received_count >= CapacityLocked()) return 0;
  return CapacityLocked() - state_.received_count;
}

void Serial::PushLocked(std::byte byte) {
  state_.received[(first_received_ + state_.received_count) % kReceiveFifoBytes] = byte;
  ++state_.received_count;
  metrics_.received_bytes.Add();
}

uint8_t Serial::PendingLocked() const {
  uint8_t causes = 0;
  if (state_.line_errors != 0) causes |= UART_IER_RLSI;
  if (state_.received_count > 0) causes |= UART_IER_RDI;
  if (state_.transmit_interrupt) causes |= UART_IER_THRI;
  if (state_.modem_deltas != 0) causes |= UART_IER_MSI;
  return causes & state_.interrupt_enable;
}

void Serial::TellOfRoomLocked() {
  if (!room_wanted_ || room_listener_ == nullptr) return;
  if (RoomLocked() < std::min(kRoomToTellOf, CapacityLocked())) return;
  room_wanted_ = false;
  room_listener_->OnReceiveRoom();
}

}  // namespace ember
