#ifndef EMBER_API_SERVER_H_
#define EMBER_API_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "api/message.h"
#include "base/result.h"

namespace ember::api {

// The control API's HTTP server: a Unix socket, and the thread "api" that serves it. Answers
// requests one after the other. A client that stops in the middle of a request or of an answer is
// cut off after kStuckTime, one that is idle between requests is not; those past kMaxConnections
// get a 503.
class Server {
 public:
  using Handler = std::function<Response(const Request&)>;

  static constexpr size_t kMaxConnections = 1024;

  struct Options {
    std::string socket_path;
    size_t max_body_bytes = 51200;
  };

  // Binds the socket, so that clients can connect. Fails if the path exists, whoever left it there.
  static Result<std::unique_ptr<Server>> Listen(const Options& options);
  // Stops.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts answering; `handler` is called on the API's thread. Once.
  Status Start(Handler handler);
  // Lets answers under way be written, closes every connection, ends the thread and removes the
  // socket. The handler must not be waiting for the caller. Harmless when stopped.
  void Stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember::api

#endif  // EMBER_API_SERVER_H_
