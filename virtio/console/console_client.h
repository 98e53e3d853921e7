#ifndef EMBER_VIRTIO_CONSOLE_CONSOLE_CLIENT_H_
#define EMBER_VIRTIO_CONSOLE_CONSOLE_CLIENT_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/event_set.h"
#include "base/fd.h"
#include "virtio/console/output_log.h"

namespace ember::virtio {

// What becomes of a client that was too slow for the log: the output it has not read is gone.
enum class Overrun : uint8_t {
  kNotice,      // it is told how much, and goes on from what is there: a person's screen
  kDisconnect,  // a stream with a hole is of no use to a program
};

// What a connection brings along that was something else before a console's.
struct ConsoleOpening {
  std::string greeting;  // to be sent before any output
  std::string input;     // was received already
};

// One attached connection: it reads the port's output from the log at its own pace and is read for
// input only when there is room for that, so that it has no memory of its own to fill. One thread
// at a time.
class ConsoleClient {
 public:
  // Begins at `position` of the log. `events` outlives the client, which is in it from Watch() on.
  ConsoleClient(Fd fd, uint64_t token, EventSet& events, uint64_t position,
                ConsoleOpening opening = {})
      : fd_(std::move(fd)),
        token_(token),
        events_(&events),
        position_(position),
        opening_(std::move(opening)),
        readable_(!opening_.input.empty()) {}
  ConsoleClient(const ConsoleClient&) = delete;
  ConsoleClient& operator=(const ConsoleClient&) = delete;
  ~ConsoleClient() { Unwatch(); }

  Status Watch();
  uint64_t token() const { return token_; }

  // Sends what the connection takes now. The bytes of output that were lost to it since the last
  // call; where they disconnect it, it is gone().
  uint64_t Send(const OutputLog& log, Overrun overrun);

  // Whether there may be input. Set by NoteReadable(), cleared by Receive().
  bool readable() const { return readable_ && !input_ended_; }
  void NoteReadable() { readable_ = true; }
  // How much of the input was put into `room`, which is not empty; 0: there is none now.
  size_t Receive(std::span<iovec> room);

  // The other end is closed: no more output. What it had written before is still input, and the
  // client stays until that is taken.
  void HangUp();
  // The same where it is so and nobody has said it yet.
  void LookWhetherGone();
  bool gone() const { return gone_; }
  // Nothing can come of it any more.
  bool finished() const { return gone_ && input_ended_; }
  void Finish();

  // Waits for what it needs: input if that is wanted, room if it is behind.
  void UpdateInterest(bool input_wanted);

 private:
  // The next pieces to send; returns how many there are.
  size_t Gather(const OutputLog& log, std::span<iovec, 4> pieces);
  void Advance(size_t sent);
  size_t ReceiveOpening(std::span<iovec> room);
  bool HasInput() const;
  void Unwatch();

  Fd fd_;
  uint64_t token_;
  EventSet* events_;
  uint64_t position_;       // the next byte of the log to send
  ConsoleOpening opening_;  // what is left of it
  // Goes before it, where output was lost. What is not sent yet begins at notice_sent_.
  std::array<char, 64> notice_;
  size_t notice_length_ = 0;
  size_t notice_sent_ = 0;
  uint64_t unsaid_ = 0;  // bytes lost of which no notice that was begun tells
  bool behind_ = false;  // the connection took not all
  bool readable_ = false;
  bool input_ended_ = false;
  bool gone_ = false;
  bool watched_ = false;
  EventSet::Interest interest_ = EventSet::Interest::kNone;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_CONSOLE_CLIENT_H_
