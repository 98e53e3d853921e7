#ifndef EMBER_API_CONNECTION_H_
#define EMBER_API_CONNECTION_H_

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "api/session.h"
#include "base/event_loop.h"
#include "base/fd.h"

namespace ember::api {

// A client's socket and the session on it. Never waits: the server calls when the socket is ready.
// A client that has broken the protocol is sent the reason and then only listened to, so that it
// can read that before it finds the socket closed. The API's thread.
class Connection {
 public:
  // What a client may still send after the session has ended, or behind a stream's request.
  static constexpr size_t kMaxDiscardedBytes = size_t{1} << 20;

  // The router must outlive the connection.
  Connection(Fd socket, const Router& router, size_t max_body_bytes)
      : socket_(std::move(socket)), session_(router, max_body_bytes) {}

  // Reads once, at most as much as `scratch` holds, and serves it.
  void Receive(std::span<char> scratch);
  // Sends what the socket takes of the answers.
  void Flush();
  // An action to be carried out, once: the session's, or one that gives the connection to a
  // console.
  std::optional<vmm::Action> TakeAction();
  // The outcome of the action.
  void Complete(const Result<vmm::Reply>& outcome) { session_.Complete(outcome); }

  bool wants_input() const { return !input_ended_ && (session_.ended() || session_.wants_input()); }
  bool wants_output() const { return !session_.output().empty() || session_.has_more_output(); }
  // The client sends no more, but still waits for what comes late: only its going is awaited.
  bool wants_hang_up() const { return input_ended_ && !over() && session_.following(); }
  void OnHangUp();
  // What the socket is to be waited for; nothing: not even its hang-up can change anything now.
  std::optional<EventLoop::Interest> awaits() const;
  // Nothing more can come of it: to be destroyed.
  bool over() const {
    if (session_.handed_over()) return true;
    const bool awaits_answer = session_.waiting() || (session_.streaming() && !session_.ended());
    return broken_ || (input_ended_ && !wants_output() && !awaits_answer);
  }

  const Fd& socket() const { return socket_; }
  Session& session() { return session_; }
  const Session& session() const { return session_; }

 private:
  void Discard(size_t size_bytes);

  const Fd socket_;
  Session session_;
  size_t discarded_bytes_ = 0;
  bool small_buffer_ = false;
  bool input_ended_ = false;  // the client sends no more; it may still read
  bool output_ended_ = false;
  bool broken_ = false;
};

}  // namespace ember::api

#endif  // EMBER_API_CONNECTION_H_
