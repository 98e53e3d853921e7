#ifndef EMBER_API_SESSION_H_
#define EMBER_API_SESSION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/late_answer.h"
#include "api/message.h"
#include "api/request_parser.h"
#include "api/router.h"
#include "api/stream.h"
#include "base/fd.h"
#include "base/result.h"
#include "vmm/action.h"
#include "vmm/console/handed_socket.h"
#include "vmm/reply.h"

namespace ember::api {

// One client's conversation, without its socket: bytes in, answers and actions out. Requests are
// answered one at a time, in order. Where one needs an action, or an answer that comes late, the
// session waits for it and keeps what comes meanwhile. A stream is the last answer: what the client
// sends after it is passed over. A connection that becomes a console's is handed over with what
// came behind its request, once all answers before are sent; refused, it is closed, so that what
// was meant for the console is never taken for requests. Bounded: it asks for no more input while
// it holds kMaxHeadBytes of it, and serves nothing while kMaxOutputBytes of answers are unsent. The
// API's thread.
class Session {
 public:
  static constexpr size_t kMaxOutputBytes = 65536;

  // The router must outlive the session.
  Session(const Router& router, size_t max_body_bytes) : router_(router), parser_(max_body_bytes) {}

  // Takes what the client sent. Only while wants_input().
  void Receive(std::string_view bytes);
  // Whether anything could be done with descriptors that come with those bytes.
  bool takes_descriptors() const { return !ended_ && !streaming() && router_.takes_descriptors(); }
  // Descriptors that came with those bytes, in place of any before: the next request has them,
  // whichever it is.
  void ReceiveDescriptors(std::vector<Fd> descriptors);
  bool wants_input() const {
    return !ended_ && !console_ && input_.size() <= RequestParser::kMaxHeadBytes;
  }

  // An action to be carried out, once; its outcome is then given to Complete().
  std::optional<vmm::Action> TakeAction();
  void Complete(const Result<vmm::Reply>& outcome);
  // Answers so in place of carrying it out.
  void Refuse(const Response& response);
  // Between a request that is not answered at once and its answer.
  bool waiting() const { return waiting_; }
  // Whether an action of its may be under way, or a late answer; not while a client that reads no
  // answers keeps its connection from a console.
  bool acting() const { return waiting_ && (!console_ || handed_ != nullptr); }

  // Whether the connection is to be handed to a console now; then HandOver() makes the action of
  // another descriptor of its socket, whose outcome is given to Complete().
  bool wants_hand_over() const { return console_ && !handed_ && output_.empty(); }
  vmm::Action HandOver(Fd socket);
  // Takes back what is under way to a console, if it is not there yet.
  bool TakeBack() { return !handed_ || handed_->Take().has_value(); }
  // The connection is a console's: nothing of it may be touched.
  bool handed_over() const { return handed_over_; }

  // Whether there is a late answer or a stream, to be looked at when something may have happened
  // and at next_look().
  bool following() const { return late_ != nullptr || stream_ != nullptr; }
  bool streaming() const { return stream_ != nullptr; }
  LateAnswer::TimePoint next_look() const;
  // Answers if it can, and adds to a stream of which no more than a page is unsent.
  void Look(LateAnswer::TimePoint now);
  // The same for the last time, whatever the answer is; the session is over then.
  void LookLast(LateAnswer::TimePoint now);

  // What is to be sent, and that the first so many bytes of it have been.
  std::string_view output() const { return output_; }
  // Whether Look() would add more to a stream at once.
  bool has_more_output() const { return stream_ && !ended_ && stream_->more(); }
  void OnSent(size_t size_bytes);

  // The client asked for the end or broke the protocol: it is to be closed when output() is sent.
  bool ended() const { return ended_; }
  // How many requests have been answered.
  uint64_t answered() const { return answered_; }

 private:
  // Serves from the front of `bytes` what it can, and returns what is left.
  std::string_view Serve(std::string_view bytes);
  void ServeInput();
  Request WithDescriptors(Request request);
  void Answer(const Request& request);
  void Answer(const Response& response);
  void Begin(StreamCall call);
  void Send(const Response& response);

  const Router& router_;
  RequestParser parser_;
  std::string input_;            // what could not be served yet
  std::vector<Fd> descriptors_;  // of the request that is being received
  std::string output_;
  std::optional<vmm::Action> action_;
  std::unique_ptr<LateAnswer> late_;
  std::unique_ptr<Stream> stream_;
  std::optional<ConsoleCall> console_;         // a request that waits
  std::shared_ptr<vmm::HandedSocket> handed_;  // of it, once it is under way
  bool handed_over_ = false;
  bool waiting_ = false;
  bool deprecated_ = false;  // of the request that waits
  Tally tally_;              // likewise
  std::chrono::nanoseconds asked_{0};
  bool told_to_continue_ = false;  // of the request being read
  bool ended_ = false;
  uint64_t answered_ = 0;
};

}  // namespace ember::api

#endif  // EMBER_API_SESSION_H_
