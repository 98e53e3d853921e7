#ifndef EMBER_API_CONNECTION_H_
#define EMBER_API_CONNECTION_H_

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/message.h"

namespace ember::api {

// One client's connection: reads a request, has it answered, writes the answer, and so on, one at a
// time and in order. Bounded: a header of at most kMaxHeaderBytes, a body as the server says, one
// answer. Lives by the operation it has under way, and ends when the client goes, breaks the
// protocol or is too slow. The API's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  using Clock = std::chrono::steady_clock;
  using Handler = std::function<Response(const Request&)>;

  static constexpr size_t kMaxHeaderBytes = 8192;

  // `handler` must outlive the connection.
  Connection(Socket socket, const Handler& handler, size_t max_body_bytes);

  void Start() { ReadHeader(); }
  // Answers 503 and ends.
  void Refuse();
  // Ends it when nothing is left to write.
  void Shutdown();
  // Ends it if its client has been in the middle of a request or an answer since before `moment`.
  void CloseIfStuckSince(Clock::time_point moment);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using ErrorCode = boost::system::error_code;

  void ReadHeader();
  void OnHeader(ErrorCode error);
  void ReadBody();
  void OnRequest(ErrorCode error);
  void OnReadError(ErrorCode error);
  void Send(const Response& response, AfterResponse after);
  void Write(AfterResponse after);
  void Close();

  Socket socket_;
  const Handler& handler_;
  const size_t max_body_bytes_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string out_;
  bool writing_ = false;
  bool ending_ = false;
  Clock::time_point last_progress_ = Clock::now();
};

}  // namespace ember::api

#endif  // EMBER_API_CONNECTION_H_
