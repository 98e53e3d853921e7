#include "api/connection.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/result.h"
#include "base/socket_message.h"
#include "base/unix_socket.h"

namespace ember::api {
namespace {

bool MayPass(int error_number) {
  return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR;
}

// What the kernel holds for a client that reads a stream slower than it grows: a slow reader costs
// this, and its place in the journal.
constexpr int kStreamBufferBytes = 16384;

}  // namespace

void Connection::OnHangUp() {
  if (IsHungUp(socket_)) broken_ = true;
}

std::optional<EventLoop::Interest> Connection::awaits() const {
  using Interest = EventLoop::Interest;
  if (wants_output()) return wants_input() ? Interest::kBoth : Interest::kWritable;
  if (wants_input()) return Interest::kReadable;
  if (wants_hang_up()) return Interest::kHangUp;
  return std::nullopt;
}

void Connection::Receive(std::span<char> scratch) {
  const Descriptors beside =
      session_.takes_descriptors() ? Descriptors::kTake : Descriptors::kLeave;
  Result<ReceivedMessage> got = ReceiveMessage(socket_, std::as_writable_bytes(scratch), beside);
  if (!got) {
    if (!MayPass(got.error().error_number())) broken_ = true;
    return;
  }
  const size_t size_bytes = got->size_bytes;
  if (size_bytes == 0) {
    input_ended_ = true;
    if (session_.following()) OnHangUp();
    return;
  }
  if (session_.ended() || session_.streaming()) return Discard(size_bytes);
  if (!got->descriptors.empty()) session_.ReceiveDescriptors(std::move(got->descriptors));
  session_.Receive({scratch.data(), size_bytes});
}

std::optional<vmm::Action> Connection::TakeAction() {
  if (!session_.wants_hand_over()) return session_.TakeAction();
  Fd socket(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (socket.valid()) return session_.HandOver(std::move(socket));
  session_.Complete(Error::FromErrno("hand the connection to the console"));
  return std::nullopt;
}

void Connection::Discard(size_t size_bytes) {
  discarded_bytes_ += size_bytes;
  if (discarded_bytes_ > kMaxDiscardedBytes) broken_ = true;
}

void Connection::Flush() {
  if (session_.streaming() && !std::exchange(small_buffer_, true)) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &kStreamBufferBytes,
                 sizeof(kStreamBufferBytes));  // fails never, and harmlessly
  }
  while (!session_.output().empty() && !broken_) {
    const std::string_view output = session_.output();
    const ssize_t sent =
        ::send(socket_.get(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (!MayPass(errno)) broken_ = true;
      return;
    }
    session_.OnSent(static_cast<size_t>(sent));
  }
  if (session_.ended() && !output_ended_) {
    output_ended_ = true;
    // Who cannot be told that this is the end finds the connection closed.
    if (::shutdown(socket_.get(), SHUT_WR) < 0) broken_ = true;
  }
}

}  // namespace ember::api
