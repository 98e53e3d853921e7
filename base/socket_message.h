#ifndef EMBER_BASE_SOCKET_MESSAGE_H_
#define EMBER_BASE_SOCKET_MESSAGE_H_

#include <cstddef>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

// Bytes over a Unix stream socket with open descriptors beside them (unix(7), SCM_RIGHTS). Never
// waits: where it would have to, the error's number is EAGAIN. Any thread.
namespace ember {

// At most so many descriptors go with a message.
inline constexpr size_t kMaxMessageDescriptors = 8;

// Sends as many of the bytes as the socket takes, at least one, and returns how many. Copies of the
// descriptors, kMaxMessageDescriptors at most, are with the first. Nobody at the other end is an
// error and no signal.
Result<size_t> SendMessage(const Fd& socket, std::span<const std::byte> bytes,
                           std::span<const int> descriptors = {});

struct ReceivedMessage {
  size_t size_bytes = 0;  // 0: the other end sends no more
  std::vector<Fd> descriptors;
};
// Whether descriptors are wanted. Those that are left behind never become ours: to close one of a
// hostile sender's may take for ever, where its file system is his.
enum class Descriptors { kTake, kLeave };
// Receives at most out.size() bytes. Of more descriptors than kMaxMessageDescriptors the rest are
// left behind.
Result<ReceivedMessage> ReceiveMessage(const Fd& socket, std::span<std::byte> out,
                                       Descriptors descriptors = Descriptors::kTake);

}  // namespace ember

#endif  // EMBER_BASE_SOCKET_MESSAGE_H_
