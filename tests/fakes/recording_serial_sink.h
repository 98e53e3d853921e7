#ifndef EMBER_TESTS_FAKES_RECORDING_SERIAL_SINK_H_
#define EMBER_TESTS_FAKES_RECORDING_SERIAL_SINK_H_

#include <string>

#include "devices/serial_sink.h"

namespace ember {

// Keeps what a serial port transmitted. Read it while the port is idle.
class RecordingSerialSink final : public SerialSink {
 public:
  void Put(std::byte byte) override { text_.push_back(static_cast<char>(byte)); }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace ember

#endif  // EMBER_TESTS_FAKES_RECORDING_SERIAL_SINK_H_
