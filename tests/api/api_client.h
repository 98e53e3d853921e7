#ifndef EMBER_TESTS_API_API_CLIENT_H_
#define EMBER_TESTS_API_API_CLIENT_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace ember::api {

// One answer, taken apart.
struct Reply {
  int status = 0;
  std::string head;  // up to and with the empty line
  std::string body;
};

// A client of the API over a real Unix socket. Waits at most kPatience for anything.
class ApiClient {
 public:
  // Connected, or not valid().
  explicit ApiClient(const std::string& socket_path);
  bool valid() const { return fd_.valid(); }

  // False if the server does not take it.
  bool Send(std::string_view bytes);
  void EndOutput();
  // The next answer; nothing at the end of the connection or when patience ends.
  std::optional<Reply> Receive();
  // The next line of a stream, without its end; nothing as with Receive().
  std::optional<std::string> ReceiveLine();
  // Until there is something to receive, which stays there.
  bool AwaitBytes();
  // So many bytes behind an upgrade's head; fewer at the end or when patience ends.
  std::string ReceiveBytes(size_t count);
  // Send() and Receive() of a request as curl makes it.
  std::optional<Reply> Call(std::string_view method, std::string_view path,
                            std::string_view body = {});
  // Whether the server has closed the connection, after what it sent was received.
  bool AwaitEnd();

 private:
  // False at the end or when patience ends.
  bool ReadMore();

  Fd fd_;
  std::string received_;  // beyond the last answer
};

// The request's bytes. Without a body it has no Content-Length.
std::string RequestBytes(std::string_view method, std::string_view path, std::string_view body);

}  // namespace ember::api

#endif  // EMBER_TESTS_API_API_CLIENT_H_
