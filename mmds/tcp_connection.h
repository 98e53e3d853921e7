#ifndef EMBER_MMDS_TCP_CONNECTION_H_
#define EMBER_MMDS_TCP_CONNECTION_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mmds/packet.h"

namespace ember::mmds {

// One TCP connection that the guest opened (RFC 9293), over a link that hardly ever loses or
// reorders: bytes that come out of order are dropped and asked for again, there is no congestion
// control, and what is lost is sent again from the first byte that is not acknowledged. What it
// keeps is bounded: kReceiveBytes, and what Send() was given. It sends nothing by itself: Next()
// says what to send, NextAt() when to ask. One thread at a time.
class TcpConnection {
 public:
  static constexpr size_t kReceiveBytes = 4096;
  static constexpr uint32_t kMaxRetries = 15;
  static constexpr std::chrono::seconds kFirstRetryAfter{1};
  // Doubled up to this.
  static constexpr std::chrono::seconds kLastRetryAfter{8};

  struct Options {
    uint32_t initial_sequence = 0;    // not to be guessed
    uint16_t max_segment_bytes = 0;   // the most, either way
    std::chrono::nanoseconds now{0};  // of a monotonic clock, here and below
  };
  // `syn` is the guest's first segment.
  TcpConnection(const TcpSegment& syn, const Options& options);

  // A segment of this connection's.
  void Receive(const TcpSegment& segment, std::chrono::nanoseconds now);

  // What came, in order, and was not dropped since.
  std::string_view received() const { return {receive_buffer_.data(), received_bytes_}; }
  bool receive_buffer_full() const { return received_bytes_ == kReceiveBytes; }
  void DropReceived(size_t bytes);
  // The guest will send no more.
  bool peer_closed() const { return peer_closed_; }

  // Whether what Send() was given is still on its way.
  bool sending() const { return !output_.empty(); }
  // Not while sending() or after Close().
  void Send(std::string bytes);
  // Ends our side behind what is on its way. From here on what comes is dropped.
  void Close();
  bool closing() const { return closing_; }

  // The next segment to send, without ports. Its payload is valid until the next call of anything.
  std::optional<TcpSegment> Next(std::chrono::nanoseconds now);
  // When Next() has something, if nothing comes; the past: now. Nothing: never.
  std::optional<std::chrono::nanoseconds> NextAt() const;

  bool established() const { return established_; }
  // Nothing is left to be said, by anyone.
  bool ended() const { return ended_; }
  // It ended because the guest did not answer.
  bool given_up() const { return given_up_; }
  // When it last got ahead: opened, received or had something acknowledged.
  std::chrono::nanoseconds last_progress() const { return last_progress_; }

 private:
  struct Payload {
    size_t bytes = 0;
    bool fin = false;
  };

  uint16_t ReceiveWindow() const { return static_cast<uint16_t>(kReceiveBytes - received_bytes_); }
  // Behind the last byte to send, and the FIN.
  uint32_t OutputEnd() const { return output_begin_ + static_cast<uint32_t>(output_.size()); }
  uint32_t End() const { return OutputEnd() + (closing_ ? 1U : 0U); }
  bool EverythingAcknowledged() const { return established_ && unacknowledged_ == End(); }

  void ReceiveReset(const TcpSegment& segment);
  bool IsAcceptable(const TcpSegment& segment) const;
  // False where the segment acknowledges what was never sent.
  bool ReceiveAcknowledgment(const TcpSegment& segment, std::chrono::nanoseconds now);
  void ReceivePayload(const TcpSegment& segment, std::chrono::nanoseconds now);
  // What may be sent from next_ on; `probe`: a byte more than the window, if it is shut.
  Payload NextPayload(bool probe) const;
  TcpSegment Bare(uint8_t flags) const;
  // Once more, while anything is not acknowledged.
  void ArmTimer(std::chrono::nanoseconds now);
  // The other side has said all, and so have we.
  void NoticeEnd();

  const uint32_t initial_sequence_;
  const uint16_t receive_max_segment_;
  const uint16_t max_segment_bytes_;  // that we send

  // What comes.
  uint32_t expected_;  // the next sequence number
  std::array<char, kReceiveBytes> receive_buffer_;
  size_t received_bytes_ = 0;
  bool peer_closed_ = false;
  bool acknowledgment_due_ = false;

  // What goes. output_ begins at output_begin_, and is acknowledged whole.
  std::string output_;
  uint32_t output_begin_;
  uint32_t unacknowledged_;  // the first sequence number that is not acknowledged
  uint32_t next_;            // the next to be sent
  uint32_t highest_;         // the first that was never sent
  uint32_t window_ = 0;      // the guest's, from unacknowledged_ on

  bool established_ = false;
  bool closing_ = false;
  bool reset_due_ = false;
  bool ended_ = false;
  bool given_up_ = false;

  std::optional<std::chrono::nanoseconds> retry_at_;  // while anything is not acknowledged
  uint32_t retries_ = 0;
  std::chrono::nanoseconds last_progress_;
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_TCP_CONNECTION_H_
