#include "devices/serial_input.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace ember {

Result<std::unique_ptr<SerialInput>> SerialInput::Create(EventLoop& loop, Fd fd, Serial& serial) {
  Fd wake = TRY(CreateEventFd());
  std::unique_ptr<SerialInput> input(new SerialInput(loop, std::move(fd), std::move(wake), serial));
  SerialInput* const self = input.get();
  input->wake_watch_ = TRY(loop.WatchReadable(input->wake_.get(), [self] { self->OnWake(); }));
  serial.SetRoomListener(self);
  input->OnReceiveRoom();  // the first move, once the loop runs
  return input;
}

SerialInput::SerialInput(EventLoop& loop, Fd fd, Fd wake, Serial& serial)
    : loop_(loop), fd_(std::move(fd)), wake_(std::move(wake)), serial_(serial) {}

SerialInput::~SerialInput() { serial_.SetRoomListener(nullptr); }

void SerialInput::OnReceiveRoom() {
  // Fails only where 2^64 wakes are pending already, and then one is.
  static_cast<void>(::eventfd_write(wake_.get(), 1));
}

void SerialInput::OnWake() {
  eventfd_t ignored = 0;
  static_cast<void>(::eventfd_read(wake_.get(), &ignored));
  if (!ended_) Move();
}

void SerialInput::Move() {
  if (!DeliverPending()) return readable_watch_.reset();
  const size_t room = serial_.ReceiveRoom();
  if (room == 0) return readable_watch_.reset();
  if (ReadPending(room) && !DeliverPending()) return readable_watch_.reset();
  if (!ended_) AwaitReadable();
}

bool SerialInput::DeliverPending() {
  pending_ = pending_.subspan(pending_.empty() ? 0 : serial_.Receive(pending_));
  return pending_.empty();
}

bool SerialInput::ReadPending(size_t room) {
  const ssize_t count = ::read(fd_.get(), buffer_.data(), std::min(room, buffer_.size()));
  if (count > 0) {
    metrics_.read_bytes.Add(static_cast<uint64_t>(count));
    pending_ = std::span(buffer_).first(static_cast<size_t>(count));
    return true;
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (count < 0) {
    metrics_.read_errors.Add();
    EMBER_LOG(kWarning, "serial input: read: ", std::strerror(errno));
  }
  End();
  return false;
}

void SerialInput::AwaitReadable() {
  if (readable_watch_.has_value()) return;
  if (pollable_) {
    Result<EventLoop::Watch> watch = loop_.WatchReadable(fd_.get(), [this] { Move(); });
    if (watch.has_value()) {
      readable_watch_ = *std::move(watch);
      return;
    }
    if (watch.error().error_number() != EPERM) {
      metrics_.read_errors.Add();
      EMBER_LOG(kWarning, "serial input: ", watch.error().message());
      return End();
    }
    pollable_ = false;
  }
  // Not from here: a guest as fast as the file would keep the loop thread.
  OnReceiveRoom();
}

void SerialInput::End() {
  ended_ = true;
  readable_watch_.reset();
}

}  // namespace ember
