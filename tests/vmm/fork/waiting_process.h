#ifndef EMBER_TESTS_VMM_FORK_WAITING_PROCESS_H_
#define EMBER_TESTS_VMM_FORK_WAITING_PROCESS_H_

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/socket_message.h"
#include "base/unix_socket.h"

namespace ember::vmm {

// Who listens where a clone's API should be, and answers what it is told to, on the loop of who
// asks.
class WaitingProcess {
 public:
  // What it does once it has the end of a request's head.
  struct Behaviour {
    std::string answer;   // sent then
    bool closes = true;   // after that
    bool accepts = true;  // at all
  };

  WaitingProcess(EventLoop& loop, const std::string& path, Behaviour behaviour)
      : loop_(loop), behaviour_(std::move(behaviour)), listener_(*UnixListener::Bind(path)) {
    if (!behaviour_.accepts) return;
    accepting_.emplace(*loop.WatchReadable(listener_.fd().get(), [this] { Accept(); }));
  }

  const std::string& request() const { return request_; }
  const std::vector<Fd>& descriptors() const { return descriptors_; }

 private:
  void Accept() {
    client_ = *listener_.Accept();
    reading_.emplace(*loop_.WatchReadable(client_.get(), [this] { Read(); }));
  }
  void Read() {
    std::array<std::byte, 4096> bytes;
    Result<ReceivedMessage> got = ReceiveMessage(client_, bytes);
    if (!got) return;
    for (const std::byte byte : std::span(bytes).first(got->size_bytes)) {
      request_ += static_cast<char>(byte);
    }
    for (Fd& fd : got->descriptors) descriptors_.push_back(std::move(fd));
    if (request_.find("\r\n\r\n") == std::string::npos && got->size_bytes > 0) return;
    reading_.reset();
    static_cast<void>(SendMessage(client_, std::as_bytes(std::span(behaviour_.answer))));
    if (behaviour_.closes) client_.Reset();
  }

  EventLoop& loop_;
  const Behaviour behaviour_;
  UnixListener listener_;
  Fd client_;
  std::string request_;
  std::vector<Fd> descriptors_;
  std::optional<EventLoop::Watch> accepting_;
  std::optional<EventLoop::Watch> reading_;
};

}  // namespace ember::vmm

#endif  // EMBER_TESTS_VMM_FORK_WAITING_PROCESS_H_
