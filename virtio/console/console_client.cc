#include "virtio/console/console_client.h"

#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "base/unix_socket.h"

namespace ember::virtio {

Status ConsoleClient::Watch() {
  TRY(events_->Add(fd_.get(), interest_, token_));
  watched_ = true;
  return {};
}

void ConsoleClient::Unwatch() {
  if (watched_ && fd_.valid()) events_->Remove(fd_.get());
  watched_ = false;
}

uint64_t ConsoleClient::Send(const OutputLog& log, Overrun overrun) {
  uint64_t lost = 0;
  if (position_ < log.begin()) {
    lost = log.begin() - position_;
    unsaid_ += lost;
    position_ = log.begin();
    if (overrun == Overrun::kDisconnect) Finish();
  }
  while (!gone_) {
    std::array<iovec, 4> pieces;
    const size_t count = Gather(log, pieces);
    if (count == 0) break;
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      behind_ = true;
      return lost;
    }
    if (sent < 0) {
      HangUp();
      break;
    }
    Advance(static_cast<size_t>(sent));
  }
  behind_ = false;
  return lost;
}

size_t ConsoleClient::Gather(const OutputLog& log, std::span<iovec, 4> pieces) {
  const bool begun = notice_sent_ > 0;
  if (!begun && unsaid_ > 0) {
    notice_length_ = static_cast<size_t>(std::snprintf(
        notice_.data(), notice_.size(), "\r\n[%" PRIu64 " bytes of output lost]\r\n", unsaid_));
  }
  size_t count = 0;
  if (!opening_.greeting.empty()) {
    pieces[count++] = {.iov_base = opening_.greeting.data(), .iov_len = opening_.greeting.size()};
  }
  if (notice_length_ > 0) {
    pieces[count++] = {.iov_base = notice_.data() + notice_sent_,
                       .iov_len = notice_length_ - notice_sent_};
  }
  // More was lost before this notice was out: the next one goes before the output.
  if (begun && unsaid_ > 0) return count;
  for (const iovec& piece : log.From(position_)) {
    if (piece.iov_len > 0) pieces[count++] = piece;
  }
  return count;
}

void ConsoleClient::Advance(size_t sent) {
  const size_t of_greeting = std::min(sent, opening_.greeting.size());
  opening_.greeting.erase(0, of_greeting);
  sent -= of_greeting;
  const size_t of_notice = std::min(sent, notice_length_ - notice_sent_);
  if (of_notice > 0 && notice_sent_ == 0) unsaid_ = 0;
  notice_sent_ += of_notice;
  if (notice_sent_ == notice_length_) notice_sent_ = notice_length_ = 0;
  position_ += sent - of_notice;
}

size_t ConsoleClient::ReceiveOpening(std::span<iovec> room) {
  size_t count = 0;
  for (const iovec& piece : room) {
    const size_t length = std::min(piece.iov_len, opening_.input.size() - count);
    std::memcpy(piece.iov_base, opening_.input.data() + count, length);
    count += length;
  }
  opening_.input.erase(0, count);
  return count;
}

size_t ConsoleClient::Receive(std::span<iovec> room) {
  if (!opening_.input.empty()) return ReceiveOpening(room);
  for (;;) {
    msghdr message{};
    message.msg_iov = room.data();
    message.msg_iovlen = room.size();
    const ssize_t count = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (count > 0) return static_cast<size_t>(count);
    if (count < 0 && errno == EINTR) continue;
    readable_ = false;
    // A connection in error has no more input than one that was closed.
    if (count == 0 || errno != EAGAIN || gone_) input_ended_ = true;
    return 0;
  }
}

void ConsoleClient::HangUp() {
  Unwatch();
  // Where it was the host that failed, and not the other end, that learns of it.
  ::shutdown(fd_.get(), SHUT_WR);
  gone_ = true;
  readable_ = HasInput();
  input_ended_ = !readable_;
}

bool ConsoleClient::HasInput() const {
  if (!opening_.input.empty()) return true;
  std::byte byte{};
  iovec room{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  const ssize_t count = ::recvmsg(fd_.get(), &message, MSG_PEEK | MSG_DONTWAIT);
  return count > 0 || (count < 0 && errno == EINTR);  // Receive() will know
}

void ConsoleClient::LookWhetherGone() {
  if (!gone_ && IsHungUp(fd_)) HangUp();
}

void ConsoleClient::Finish() {
  Unwatch();
  gone_ = true;
  input_ended_ = true;
}

void ConsoleClient::UpdateInterest(bool input_wanted) {
  if (!watched_) return;
  const bool reads = input_wanted && !input_ended_;
  const auto wanted = static_cast<EventSet::Interest>(
      (reads ? static_cast<uint32_t>(EventSet::Interest::kReadable) : 0) |
      (behind_ ? static_cast<uint32_t>(EventSet::Interest::kWritable) : 0));
  if (wanted == interest_) return;
  // Cannot fail: it is in the set.
  static_cast<void>(events_->Change(fd_.get(), wanted, token_).has_value());
  interest_ = wanted;
}

}  // namespace ember::virtio
