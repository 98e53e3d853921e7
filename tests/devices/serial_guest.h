#ifndef EMBER_TESTS_DEVICES_SERIAL_GUEST_H_
#define EMBER_TESTS_DEVICES_SERIAL_GUEST_H_

#include <linux/serial_reg.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "devices/serial.h"
#include "tests/fakes/counting_interrupt_line.h"
#include "tests/fakes/recording_serial_sink.h"
#include "tests/fakes/register_access.h"

namespace ember {

// A guest's driver on a serial port, with the two ends of the port to look at.
struct SerialGuest {
  CountingInterruptLine interrupt;
  RecordingSerialSink sink;
  Serial port{interrupt, sink};

  uint8_t Get(int offset) { return In(port, static_cast<uint64_t>(offset)); }
  void Set(int offset, int value) { Out(port, static_cast<uint64_t>(offset), value); }

  void EnableFifo() { Set(UART_FCR, UART_FCR_ENABLE_FIFO); }
  void RaiseRts() { Set(UART_MCR, UART_MCR_RTS); }
  bool DataReady() { return (Get(UART_LSR) & UART_LSR_DR) != 0; }

  // All that waits in the port.
  std::string ReadAll() {
    std::string text;
    while (DataReady()) text.push_back(static_cast<char>(Get(UART_RX)));
    return text;
  }

  // What the outside types; how many bytes of it the port took.
  size_t Type(std::string_view text) { return port.Receive(std::as_bytes(std::span(text))); }
};

}  // namespace ember

#endif  // EMBER_TESTS_DEVICES_SERIAL_GUEST_H_
