#include "tests/virtio/vhost_user/fake_back_end.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ember::virtio::vhost_user::testing {
namespace {

template <typename T>
T Load(const std::vector<std::byte>& payload) {
  T value{};
  if (!payload.empty()) {
    std::memcpy(&value, payload.data(), std::min(payload.size(), sizeof(T)));
  }
  return value;
}

template <typename T>
std::vector<std::byte> Bytes(const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

bool IsQuestion(Request request) {
  switch (request) {
    case Request::kGetFeatures:
    case Request::kGetProtocolFeatures:
    case Request::kGetQueueNum:
    case Request::kGetConfig:
    case Request::kGetVringBase:
      return true;
    default:
      return false;
  }
}

void SendBytes(int socket, std::span<const std::byte> bytes, bool with_fds = false) {
  iovec piece{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (with_fds) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(2 * sizeof(int));
    const int fds[2] = {socket, socket};
    std::memcpy(CMSG_DATA(part), fds, sizeof(fds));
  }
  static_cast<void>(::sendmsg(socket, &message, MSG_NOSIGNAL) < 0);
}

}  // namespace

FakeBackEnd::FakeBackEnd() {
  for (size_t i = 0; i < config.size(); ++i) config[i] = static_cast<std::byte>(i + 1);
}

void FakeBackEnd::Start() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EMBER_CHECK(path_.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path_.data(), path_.size());
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EMBER_CHECK(::bind(listener_.get(), static_cast<sockaddr*>(static_cast<void*>(&address)),
                     sizeof(address)) == 0);
  EMBER_CHECK(::listen(listener_.get(), 4) == 0);
  thread_ = *Thread::Start("back-end", [this] { Work(); });
}

FakeBackEnd::~FakeBackEnd() {
  const uint64_t one = 1;
  static_cast<void>(::write(stop_.get(), &one, sizeof(one)) < 0);
  thread_.Join();
}

void FakeBackEnd::SetFault(std::optional<Request> request, Fault fault) {
  const std::lock_guard lock(mutex_);
  faulty_ = request;
  fault_ = fault;
}

void FakeBackEnd::Disconnect() {
  std::unique_lock lock(mutex_);
  ::shutdown(socket_, SHUT_RDWR);
  changed_.wait(lock, [this] { return socket_ < 0; });
}

void FakeBackEnd::Chatter() {
  const std::lock_guard lock(mutex_);
  SendBytes(socket_, Bytes(uint64_t{0x1234}));
}

void FakeBackEnd::Work() {
  for (;;) {
    pollfd fds[2] = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                     {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    ::poll(fds, 2, -1);
    if (fds[0].revents != 0) return;
    const Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    {
      const std::lock_guard lock(mutex_);
      seen_ = Seen();
      socket_ = socket.get();
    }
    Serve(socket.get());
    const std::lock_guard lock(mutex_);
    ::shutdown(socket.get(), SHUT_RDWR);
    socket_ = -1;
    changed_.notify_all();
  }
}

void FakeBackEnd::Serve(int socket) {
  for (;;) {
    Message message;
    if (!Read(socket, message)) return;
    const std::lock_guard lock(mutex_);
    Note(message);
    const bool wants_reply = (message.header.flags & kNeedReplyFlag) != 0;
    const auto request = static_cast<Request>(message.header.request);
    if ((IsQuestion(request) || wants_reply) && !Reply(socket, message)) return;
  }
}

bool FakeBackEnd::ReadBytes(int socket, std::span<std::byte> out, std::vector<Fd>& fds) {
  while (!out.empty()) {
    pollfd waited[2] = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                        {.fd = socket, .events = POLLIN, .revents = 0}};
    ::poll(waited, 2, -1);
    if (waited[0].revents != 0) return false;
    iovec piece{.iov_base = out.data(), .iov_len = out.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxMemoryRegions * sizeof(int))> control;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (count <= 0) return false;
    const cmsghdr* const part = CMSG_FIRSTHDR(&message);
    for (size_t i = 0; part != nullptr && i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
    out = out.subspan(static_cast<size_t>(count));
  }
  return true;
}

bool FakeBackEnd::Read(int socket, Message& message) {
  if (!ReadBytes(socket, std::as_writable_bytes(std::span(&message.header, 1)), message.fds)) {
    return false;
  }
  EMBER_CHECK((message.header.flags & kVersionMask) == kVersion);
  EMBER_CHECK(message.header.payload_bytes <= kMaxPayloadBytes);
  message.payload.resize(message.header.payload_bytes);
  return ReadBytes(socket, message.payload, message.fds);
}

void FakeBackEnd::Note(Message& message) {
  const auto request = static_cast<Request>(message.header.request);
  seen_.requests.push_back(request);
  const auto state = Load<VringState>(message.payload);
  switch (request) {
    case Request::kSetFeatures:
      seen_.features = Load<uint64_t>(message.payload);
      break;
    case Request::kSetProtocolFeatures:
      seen_.protocol_features = Load<uint64_t>(message.payload);
      break;
    case Request::kSetMemTable:
      seen_.memory = Load<MemoryTable>(message.payload);
      seen_.memory_fds = std::move(message.fds);
      break;
    case Request::kSetVringNum:
      seen_.sizes[state.index] = state.value;
      break;
    case Request::kSetVringAddr:
      seen_.addresses[state.index] = Load<VringAddress>(message.payload);
      break;
    case Request::kSetVringKick:
      seen_.kicks[state.index] = std::move(message.fds.at(0));
      break;
    case Request::kSetVringCall:
      seen_.calls[state.index] = std::move(message.fds.at(0));
      break;
    case Request::kSetVringEnable:
      seen_.enabled[state.index] = state.value;
      break;
    default:
      break;
  }
}

std::vector<std::byte> FakeBackEnd::Answer(const Message& message) {
  switch (static_cast<Request>(message.header.request)) {
    case Request::kGetFeatures:
      return Bytes(features);
    case Request::kGetProtocolFeatures:
      return Bytes(protocol_features);
    case Request::kGetQueueNum:
      return Bytes(queues);
    case Request::kGetConfig: {
      std::vector<std::byte> answer = message.payload;
      std::ranges::copy(config, answer.begin() + sizeof(ConfigHeader));
      return answer;
    }
    case Request::kGetVringBase:
      return Bytes(VringState{.index = Load<VringState>(message.payload).index, .value = 0});
    default:
      return Bytes(acknowledgement);
  }
}

bool FakeBackEnd::Reply(int socket, const Message& message) {
  const auto request = static_cast<Request>(message.header.request);
  std::vector<std::byte> payload = Answer(message);
  Header header{.request = message.header.request,
                .flags = kVersion | kReplyFlag,
                .payload_bytes = static_cast<uint32_t>(payload.size())};
  const bool faulty = faulty_ == request;
  size_t cut_bytes = 0;
  if (faulty) {
    switch (fault_) {
      case Fault::kSilence:
        return true;
      case Fault::kDisconnect:
        return false;
      case Fault::kHalfHeader:
        cut_bytes = payload.size() + sizeof(header) / 2;
        break;
      case Fault::kHalfPayload:
        cut_bytes = payload.size() / 2;
        break;
      case Fault::kShortPayload:
        payload.pop_back();
        --header.payload_bytes;
        break;
      case Fault::kLongPayload:
        payload.push_back({});
        ++header.payload_bytes;
        break;
      case Fault::kHugePayload:
        header.payload_bytes = 0xffffffff;
        cut_bytes = payload.size();
        break;
      case Fault::kOtherRequest:
        header.request += 1;
        break;
      case Fault::kNoReplyFlag:
        header.flags = kVersion;
        break;
      case Fault::kOtherVersion:
        header.flags = kReplyFlag | 2;
        break;
      case Fault::kExtraFds:
        break;
      case Fault::kGarbage:
        std::memset(&header, 0xa5, sizeof(header));
        break;
    }
  }
  std::vector<std::byte> bytes = Bytes(header);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize(bytes.size() - cut_bytes);
  SendBytes(socket, bytes, faulty && fault_ == Fault::kExtraFds);
  return true;
}

}  // namespace ember::virtio::vhost_user::testing
