#ifndef EMBER_API_SESSION_H_
#define EMBER_API_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/request_parser.h"
#include "api/router.h"
#include "base/result.h"
#include "vmm/action.h"
#include "vmm/reply.h"

namespace ember::api {

// One client's conversation, without its socket: bytes in, answers and actions out. Requests are
// answered one at a time, in order. Where one needs an action, the session waits for its outcome
// and keeps what comes meanwhile. Bounded: it asks for no more input while it holds kMaxHeadBytes
// of it, and serves nothing while kMaxOutputBytes of answers are unsent. The API's thread.
class Session {
 public:
  static constexpr size_t kMaxOutputBytes = 65536;

  // The router must outlive the session.
  Session(const Router& router, size_t max_body_bytes) : router_(router), parser_(max_body_bytes) {}

  // Takes what the client sent. Only while wants_input().
  void Receive(std::string_view bytes);
  bool wants_input() const { return !ended_ && input_.size() <= RequestParser::kMaxHeadBytes; }

  // An action to be carried out, once; its outcome is then given to Complete().
  std::optional<vmm::Action> TakeAction();
  void Complete(const Result<vmm::Reply>& outcome);
  // Between a request that needs an action and its Complete().
  bool waiting() const { return waiting_; }

  // What is to be sent, and that the first so many bytes of it have been.
  std::string_view output() const { return output_; }
  void OnSent(size_t size_bytes);

  // The client asked for the end or broke the protocol: it is to be closed when output() is sent.
  bool ended() const { return ended_; }
  // How many requests have been answered.
  uint64_t answered() const { return answered_; }

 private:
  // Serves from the front of `bytes` what it can, and returns what is left.
  std::string_view Serve(std::string_view bytes);
  void ServeInput();
  void Answer(const Request& request);
  void Send(const Response& response);

  const Router& router_;
  RequestParser parser_;
  std::string input_;  // what could not be served yet
  std::string output_;
  std::optional<vmm::Action> action_;
  bool waiting_ = false;
  bool deprecated_ = false;        // of the request that waits
  bool told_to_continue_ = false;  // of the request being read
  bool ended_ = false;
  uint64_t answered_ = 0;
};

}  // namespace ember::api

#endif  // EMBER_API_SESSION_H_
