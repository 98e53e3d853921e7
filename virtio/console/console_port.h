#ifndef EMBER_VIRTIO_CONSOLE_CONSOLE_PORT_H_
#define EMBER_VIRTIO_CONSOLE_CONSOLE_PORT_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_set.h"
#include "base/fd.h"
#include "base/journal.h"
#include "base/result.h"
#include "virtio/console/acceptor.h"
#include "virtio/console/console_client.h"
#include "virtio/console/console_size.h"
#include "virtio/console/metrics.h"
#include "virtio/console/output_log.h"
#include "virtio/console/resize_socket.h"

namespace ember::virtio {

// The host's end of one port: a Unix socket on which clients attach, the log of what the guest
// wrote, and perhaps a file of it. What a client sends, raw, is the port's input; what it receives
// is the end of the log and then all output. A second socket, the first's path with ".ctl" behind
// it, takes the terminal's size (resize_socket.h).
//
// Nothing here waits, and nothing grows: output goes into the log and from there to each client as
// fast as it reads (see Overrun for those that are slower); input stays with the client until the
// guest has room. One thread at a time.
class ConsolePort {
 public:
  static constexpr size_t kMaxClients = 16;
  // The least memory that output passes through, also where no log is kept.
  static constexpr size_t kMinRingBytes = size_t{64} << 10;
  // Clients get output in steps of this at most, so that one that keeps up loses nothing.
  static constexpr size_t kFlushBytes = kMinRingBytes / 4;

  struct Options {
    std::string name;  // for the guest and for logs
    std::string socket_path;
    bool is_console = false;
    // How much of the output a client gets that attaches late; 0: only what comes after.
    size_t log_bytes = kMinRingBytes;
    std::optional<std::string> output_path;  // a file or FIFO; made, or emptied
    Journal* journal = nullptr;              // told who comes and goes; outlives the port
  };

  // In the set it has the tokens with `index` in their upper 8 bits. `events` and `metrics` outlive
  // it.
  static Result<std::unique_ptr<ConsolePort>> Create(const Options& options, uint8_t index,
                                                     EventSet& events, ConsoleMetrics& metrics);
  // The port whose token it is.
  static size_t IndexOf(uint64_t token) { return token >> kIndexShift; }

  const std::string& name() const { return options_.name; }
  bool is_console() const { return options_.is_console; }
  // Whether there is somebody to read what the guest writes: the log, or clients.
  bool open() const { return options_.log_bytes > 0 || attached_ > 0; }

  // The guest's output. Flush() shows it to the clients, and Write() itself from time to time.
  void Write(std::span<const std::byte> bytes);
  void Flush();

  // Whether clients are read; not at first.
  void SetInputWanted(bool wanted);
  // Whether Read() may find input.
  bool readable() const;
  // Input of one client, taking turns; 0: there is none now. `room` is not empty.
  size_t Read(std::span<iovec> room);

  void OnEvent(const EventSet::Event& event);
  // Attaches a connection that was not made on the port's own socket: it is non-blocking, and one
  // client more. An error where there are too many, and then it is closed.
  Status Attach(Fd fd, ConsoleOpening opening);
  // A size that a client gave since the last call.
  std::optional<ConsoleSize> TakeSize() { return std::exchange(size_, std::nullopt); }
  // The host had no descriptor left for a client: Resume() lets it try again.
  bool silent() { return acceptor_.silent() || resize_socket_.acceptor().silent(); }
  void Resume();

 private:
  static constexpr unsigned kIndexShift = 56;
  static constexpr uint64_t kResizeTokens = uint64_t{1} << 48;

  ConsolePort(const Options& options, EventSet& events, ConsoleMetrics& metrics, uint64_t token,
              Acceptor acceptor, ResizeSocket resize_socket);

  void AcceptAll();
  Status Add(Fd fd, ConsoleOpening opening);
  // Drops clients of which nothing can come any more, and waits for the others.
  void Tidy();
  void SendTo(ConsoleClient& client);
  void Report(std::string_view event) const;

  // Constant after construction.
  const Options options_;
  EventSet& events_;
  ConsoleMetrics& metrics_;
  const uint64_t token_;  // the listener's; clients have the ones after

  Acceptor acceptor_;
  ResizeSocket resize_socket_;
  Fd output_file_;  // invalid where there is none
  OutputLog log_;
  size_t unflushed_bytes_ = 0;
  std::vector<std::unique_ptr<ConsoleClient>> clients_;
  size_t attached_ = 0;  // clients that are not gone
  size_t reported_ = 0;  // of them, as the journal has it
  size_t next_reader_ = 0;
  uint64_t next_token_;
  bool input_wanted_ = false;
  std::optional<ConsoleSize> size_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_CONSOLE_PORT_H_
