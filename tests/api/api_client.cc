#include "tests/api/api_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "base/concat.h"

namespace ember::api {
namespace {

constexpr timeval kPatience{.tv_sec = 60, .tv_usec = 0};

// The value of Content-Length, 0 where there is none.
size_t ContentLength(const std::string& head) {
  constexpr std::string_view kField = "Content-Length: ";
  const size_t at = head.find(kField);
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + kField.size(), nullptr, 10);
}

}  // namespace

ApiClient::ApiClient(const std::string& socket_path)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // as the call wants it
  if (::connect(fd_.get(), generic, sizeof(address)) < 0) fd_.Reset();
}

bool ApiClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void ApiClient::EndOutput() { ::shutdown(fd_.get(), SHUT_WR); }

bool ApiClient::ReadMore() {
  char buffer[4096];
  const ssize_t got = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
  if (got <= 0) return false;
  received_.append(buffer, static_cast<size_t>(got));
  return true;
}

std::optional<Reply> ApiClient::Receive() {
  constexpr std::string_view kEndOfHead = "\r\n\r\n";
  size_t end = 0;
  while ((end = received_.find(kEndOfHead)) == std::string::npos) {
    if (!ReadMore()) return std::nullopt;
  }
  Reply reply;
  reply.head = received_.substr(0, end + kEndOfHead.size());
  received_.erase(0, reply.head.size());
  const size_t length = ContentLength(reply.head);
  while (received_.size() < length) {
    if (!ReadMore()) return std::nullopt;
  }
  reply.body = received_.substr(0, length);
  received_.erase(0, length);
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (reply.head.starts_with(kVersion)) reply.status = std::atoi(&reply.head[kVersion.size()]);
  return reply;
}

std::optional<std::string> ApiClient::ReceiveLine() {
  size_t end = 0;
  while ((end = received_.find('\n')) == std::string::npos) {
    if (!ReadMore()) return std::nullopt;
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

bool ApiClient::AwaitBytes() {
  char byte = 0;
  return !received_.empty() || ::recv(fd_.get(), &byte, 1, MSG_PEEK) == 1;
}

std::string ApiClient::ReceiveBytes(size_t count) {
  while (received_.size() < count && ReadMore()) {
  }
  std::string bytes = received_.substr(0, count);
  received_.erase(0, count);
  return bytes;
}

std::optional<Reply> ApiClient::Call(std::string_view method, std::string_view path,
                                     std::string_view body) {
  if (!Send(RequestBytes(method, path, body))) return std::nullopt;
  return Receive();
}

bool ApiClient::AwaitEnd() {
  char byte = 0;
  return received_.empty() && ::recv(fd_.get(), &byte, 1, 0) == 0;
}

std::string RequestBytes(std::string_view method, std::string_view path, std::string_view body) {
  std::string bytes = Concat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n");
  if (!body.empty()) {
    bytes += Concat("Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n");
  }
  return Concat(bytes, "\r\n", body);
}

}  // namespace ember::api
