#include "mmds/tcp_connection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ember::mmds {
namespace {

// What a guest's segments carry where it does not say (RFC 9293, 3.7.1), and what the smallest MTU
// of IPv4 leaves.
constexpr uint16_t kDefaultMaxSegment = 536;
constexpr uint16_t kLeastMaxSegment = 28;

// How far `to` is ahead of `from`; sequence numbers wrap.
int32_t Ahead(uint32_t to, uint32_t from) { return static_cast<int32_t>(to - from); }

}  // namespace

TcpConnection::TcpConnection(const TcpSegment& syn, const Options& options)
    : initial_sequence_(options.initial_sequence),
      receive_max_segment_(options.max_segment_bytes),
      max_segment_bytes_(
          std::min(options.max_segment_bytes,
                   std::max(kLeastMaxSegment, syn.max_segment_bytes.value_or(kDefaultMaxSegment)))),
      expected_(syn.sequence + 1),
      output_begin_(initial_sequence_ + 1),
      unacknowledged_(initial_sequence_),
      next_(initial_sequence_),
      highest_(initial_sequence_),
      window_(syn.window),
      last_progress_(options.now) {}

void TcpConnection::Receive(const TcpSegment& segment, std::chrono::nanoseconds now) {
  if (ended_) return;
  if (segment.Has(TcpFlags::kRst)) return ReceiveReset(segment);
  if (segment.Has(TcpFlags::kSyn)) {
    // Its first again, so that ours was lost; or one that is not of this connection (RFC 5961, 4).
    const bool again = !established_ && segment.sequence + 1 == expected_;
    if (again) {
      next_ = initial_sequence_;
    } else {
      acknowledgment_due_ = established_;
    }
    return;
  }
  if (!segment.Has(TcpFlags::kAck)) return;
  if (!IsAcceptable(segment)) {
    acknowledgment_due_ = established_;
    return;
  }
  if (!ReceiveAcknowledgment(segment, now)) {
    acknowledgment_due_ = established_;
    return;
  }
  ReceivePayload(segment, now);
  NoticeEnd();
}

// RFC 5961, 3: only the very next sequence number ends the connection.
void TcpConnection::ReceiveReset(const TcpSegment& segment) {
  if (segment.sequence == expected_) {
    ended_ = true;
    return;
  }
  const int32_t ahead = Ahead(segment.sequence, expected_);
  if (ahead > 0 && ahead < int32_t{ReceiveWindow()}) acknowledgment_due_ = established_;
}

// RFC 9293, 3.10.7.4. What begins before the expected byte may bring that, too.
bool TcpConnection::IsAcceptable(const TcpSegment& segment) const {
  const int32_t ahead = Ahead(segment.sequence, expected_);
  if (ahead > 0) return false;  // out of order: it will come again
  return ahead == 0 || Ahead(segment.sequence + segment.length(), expected_) > 0;
}

bool TcpConnection::ReceiveAcknowledgment(const TcpSegment& segment, std::chrono::nanoseconds now) {
  const int32_t ahead = Ahead(segment.acknowledgment, unacknowledged_);
  if (Ahead(segment.acknowledgment, highest_) > 0) return false;
  if (!established_) {
    if (segment.acknowledgment != initial_sequence_ + 1) return false;
    established_ = true;
  }
  if (ahead < 0) return true;  // late, but what it carries may be new
  const bool was_shut = window_ == 0;
  window_ = segment.window;
  if (ahead == 0) {
    if (was_shut) {
      // A guest that keeps its window shut and says so is there. One that opens it may have dropped
      // what came before.
      retries_ = 0;
      if (window_ > 0) next_ = unacknowledged_;
    }
    return true;
  }
  unacknowledged_ = segment.acknowledgment;
  if (Ahead(unacknowledged_, next_) > 0) next_ = unacknowledged_;
  if (!output_.empty() && Ahead(unacknowledged_, OutputEnd()) >= 0) {
    output_begin_ = OutputEnd();
    output_ = std::string();
  }
  last_progress_ = now;
  retries_ = 0;
  ArmTimer(now);
  return true;
}

void TcpConnection::ReceivePayload(const TcpSegment& segment, std::chrono::nanoseconds now) {
  if (segment.length() == 0) return;
  acknowledgment_due_ = true;
  if (peer_closed_) return;
  const auto old = static_cast<size_t>(-Ahead(segment.sequence, expected_));
  std::span<const std::byte> fresh = segment.payload.subspan(std::min(old, segment.payload.size()));
  const bool whole = closing_ || fresh.size() <= ReceiveWindow();
  if (!whole) fresh = fresh.first(ReceiveWindow());
  if (!closing_) {
    std::ranges::transform(fresh, receive_buffer_.begin() + static_cast<ptrdiff_t>(received_bytes_),
                           [](std::byte byte) { return std::to_integer<char>(byte); });
    received_bytes_ += fresh.size();
  }
  expected_ += static_cast<uint32_t>(fresh.size());
  if (!fresh.empty()) last_progress_ = now;
  if (segment.Has(TcpFlags::kFin) && whole) {
    ++expected_;
    peer_closed_ = true;
    last_progress_ = now;
  }
}

void TcpConnection::DropReceived(size_t bytes) {
  EMBER_CHECK(bytes <= received_bytes_);
  const bool was_shut = ReceiveWindow() < kReceiveBytes / 2;
  std::copy(receive_buffer_.begin() + static_cast<ptrdiff_t>(bytes),
            receive_buffer_.begin() + static_cast<ptrdiff_t>(received_bytes_),
            receive_buffer_.begin());
  received_bytes_ -= bytes;
  // A guest that waits for room must be told of it.
  if (was_shut) acknowledgment_due_ = true;
}

void TcpConnection::Send(std::string bytes) {
  EMBER_CHECK(!sending() && !closing_);
  output_ = std::move(bytes);
}

void TcpConnection::Close() {
  closing_ = true;
  DropReceived(received_bytes_);
}

TcpConnection::Payload TcpConnection::NextPayload(bool probe) const {
  const int32_t left = Ahead(OutputEnd(), next_);
  if (left < 0) return {};  // the FIN has been sent
  const auto in_flight = next_ - unacknowledged_;
  const uint32_t room = window_ > in_flight ? window_ - in_flight : 0;
  auto bytes = std::min<size_t>({static_cast<size_t>(left), room, max_segment_bytes_});
  if (probe && room == 0 && in_flight == 0 && left > 0) bytes = 1;
  // No small segments for a window that will open wider (RFC 9293, 3.8.6.2.1).
  const bool small = bytes < static_cast<size_t>(left) && bytes < max_segment_bytes_;
  if (small && in_flight > 0) bytes = 0;
  return {.bytes = bytes, .fin = closing_ && bytes == static_cast<size_t>(left)};
}

TcpSegment TcpConnection::Bare(uint8_t flags) const {
  return {.sequence = next_,
          .acknowledgment = expected_,
          .flags = flags,
          .window = ReceiveWindow(),
          .max_segment_bytes = std::nullopt,
          .payload = {}};
}

std::optional<TcpSegment> TcpConnection::Next(std::chrono::nanoseconds now) {
  if (ended_) return std::nullopt;
  const bool late = retry_at_ && now >= *retry_at_;
  if (late && retries_ == kMaxRetries) {
    given_up_ = true;
    reset_due_ = true;
  }
  if (reset_due_) {
    ended_ = true;
    return Bare(TcpFlags::kRst | TcpFlags::kAck);
  }
  if (late) {
    ++retries_;
    retry_at_.reset();
    next_ = unacknowledged_;
  }
  TcpSegment segment = Bare(TcpFlags::kAck);
  if (!established_) {
    if (next_ != initial_sequence_) return std::nullopt;
    segment.flags |= TcpFlags::kSyn;
    segment.max_segment_bytes = receive_max_segment_;
    ++next_;
  } else {
    const Payload payload = NextPayload(late);
    if (payload.bytes == 0 && !payload.fin) {
      if (!retry_at_) ArmTimer(now);
      if (!std::exchange(acknowledgment_due_, false)) return std::nullopt;
      NoticeEnd();
      return segment;
    }
    const auto from = static_cast<size_t>(next_ - output_begin_);
    segment.payload = std::as_bytes(std::span(output_).subspan(from, payload.bytes));
    const bool last = from + payload.bytes == output_.size();
    if (last && payload.bytes > 0) segment.flags |= TcpFlags::kPsh;
    if (payload.fin) segment.flags |= TcpFlags::kFin;
    next_ += static_cast<uint32_t>(payload.bytes) + (payload.fin ? 1U : 0U);
  }
  acknowledgment_due_ = false;
  if (Ahead(next_, highest_) > 0) highest_ = next_;
  if (!retry_at_) ArmTimer(now);
  return segment;
}

std::optional<std::chrono::nanoseconds> TcpConnection::NextAt() const {
  if (ended_) return std::nullopt;
  if (reset_due_ || acknowledgment_due_) return std::chrono::nanoseconds::min();
  if (!established_) {
    if (next_ == initial_sequence_) return std::chrono::nanoseconds::min();
    return retry_at_;
  }
  const Payload payload = NextPayload(false);
  if (payload.bytes > 0 || payload.fin) return std::chrono::nanoseconds::min();
  // What waits for a window that is shut has no timer yet.
  if (!retry_at_ && !EverythingAcknowledged()) return std::chrono::nanoseconds::min();
  return retry_at_;
}

void TcpConnection::ArmTimer(std::chrono::nanoseconds now) {
  retry_at_.reset();
  if (EverythingAcknowledged()) return;
  static_assert(kMaxRetries < 32);
  retry_at_ = now + std::min(kFirstRetryAfter * (int64_t{1} << retries_), kLastRetryAfter);
}

void TcpConnection::NoticeEnd() {
  if (closing_ && peer_closed_ && EverythingAcknowledged() && !acknowledgment_due_) ended_ = true;
}

}  // namespace ember::mmds
