#ifndef EMBER_DEVICES_UART_METRICS_H_
#define EMBER_DEVICES_UART_METRICS_H_

#include <cstdint>

#include "base/metric_field.h"
#include "devices/serial.h"
#include "devices/serial_input.h"
#include "devices/serial_output.h"

namespace ember {

// A serial console as clients read of it: the port and what carries its bytes. Borrows them.
struct UartMetrics {
  const Serial::Metrics* port;
  const SerialOutput::Metrics* output;
  const SerialInput::Metrics* input;  // null: the console hears nothing

  uint64_t input_errors() const { return input == nullptr ? 0 : input->read_errors.value(); }
};

// Reads and writes are of bytes, not of registers.
inline constexpr MetricField<UartMetrics> kUartMetricFields[] = {
    {"error_count",
     [](const UartMetrics& uart) {
       return uart.output->write_errors.value() + uart.input_errors();
     }},
    {"flush_count", [](const UartMetrics& uart) { return uart.output->writes.value(); }},
    {"missed_read_count",
     [](const UartMetrics& uart) { return uart.port->read_bad_length.value(); }},
    {"missed_write_count",
     [](const UartMetrics& uart) {
       return uart.port->write_bad_length.value() + uart.output->dropped_bytes.value();
     }},
    {"read_count", [](const UartMetrics& uart) { return uart.port->taken_bytes.value(); }},
    {"write_count", [](const UartMetrics& uart) { return uart.port->transmitted_bytes.value(); }},
    {"rate_limiter_dropped_bytes",
     [](const UartMetrics& uart) { return uart.output->rate_limited_bytes.value(); }},
};

}  // namespace ember

#endif  // EMBER_DEVICES_UART_METRICS_H_
