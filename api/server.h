#ifndef EMBER_API_SERVER_H_
#define EMBER_API_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/controller.h"

namespace ember::api {

// The control API over a Unix socket, served by a thread of its own, "api". Many clients at once,
// each answered in the order of its requests; an action under way holds up only the client that
// asked for it.
//
// A silent client costs a descriptor and some hundred bytes and is left alone until there are
// max_connections, or no descriptors. Then the one that has gone longest without a request answered
// makes place for the newcomer, so that clients which connect and stall only push each other out.
// There are no timers.
//
// While the machine's loop cannot answer, actions wait for it, those of clients that have gone too:
// max_actions of them, and further ones are refused. As those are fewer than connections, questions
// are answered all the while.
class Server {
 public:
  struct Options {
    std::string socket_path;
    size_t max_body_bytes = 51200;
    size_t max_connections = 1024;
    size_t max_actions = 512;  // under way at once
  };

  // Binds the socket and listens, so that clients can connect from here on. Fails if the path
  // exists, whoever left it there.
  static Result<std::unique_ptr<Server>> Listen(Options options);
  // Serves a socket that listens already, which must be a Unix stream socket; socket_path is not
  // looked at and not removed.
  static Result<std::unique_ptr<Server>> Adopt(Fd listening, Options options);
  // Stops.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts answering: StartThread() and Serve(). Once.
  Status Start(vmm::Controller& controller, std::string instance_id);
  // Starts the server's thread; clients wait until Serve(). Once. The controller must live until
  // Stop(); its loop calls the server back, and so must not run after the server is destroyed.
  Status StartThread(vmm::Controller& controller, std::string instance_id);
  // Answers from now on. Once, after StartThread(). Any thread.
  void Serve();
  // Ends the thread, closes every connection and removes the socket. Outcomes that the loop has
  // called back are sent before; those who still wait for one are told that the machine is ending.
  // Harmless when stopped.
  void Stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember::api

#endif  // EMBER_API_SERVER_H_
