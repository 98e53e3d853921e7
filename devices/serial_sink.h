#ifndef EMBER_DEVICES_SERIAL_SINK_H_
#define EMBER_DEVICES_SERIAL_SINK_H_

#include <cstddef>

namespace ember {

// Where a serial port's transmitted bytes go. Called on vCPU threads, one at a time, with the
// port's lock held: an implementation must not block, nor call the port back.
class SerialSink {
 public:
  virtual ~SerialSink() = default;
  virtual void Put(std::byte byte) = 0;
};

}  // namespace ember

#endif  // EMBER_DEVICES_SERIAL_SINK_H_
