#include "vmm/fork/hand_over.h"

#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "base/concat.h"
#include "base/socket_message.h"
#include "base/unix_socket.h"
#include "vmm/config_json_value.h"

namespace ember::vmm {
namespace {

// An API's error is a sentence or two; whoever answers more is no API.
constexpr size_t kMaxAnswerBytes = 16384;
constexpr size_t kPieceBytes = 4096;

std::string RequestOf(const std::string& body) {
  return Concat(
      "PUT /fork/receive HTTP/1.1\r\nHost: clone\r\nConnection: close\r\nContent-Length: ",
      body.size(), "\r\n\r\n", body);
}

bool MayPass(const Error& error) {
  return error.error_number() == EAGAIN || error.error_number() == EINTR;
}

// The error in an answer's body, as every API of ours writes it.
std::string FaultIn(std::string_view body) {
  const Result<JsonValue> json = ParseJson(body);
  if (!json) return "no reason that could be read";
  const JsonValue* const fault = json->Find("fault_message");
  const auto* const text = fault == nullptr ? nullptr : std::get_if<std::string>(&fault->value);
  return text == nullptr ? "no reason" : *text;
}

// What the clone's answer, all that it sent, says. It may be anything.
Status Judge(std::string_view answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  constexpr size_t kStatusDigits = 3;
  if (answer.empty()) return Error("it closed the connection without an answer");
  if (!answer.starts_with(kVersion)) return Error("what it answers is not HTTP");
  const std::string_view status = answer.substr(kVersion.size(), kStatusDigits);
  if (status == "204") return {};
  const size_t head_end = answer.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return Error("its answer has no end");
  return Error(FaultIn(answer.substr(head_end + 4)));
}

}  // namespace

std::unique_ptr<HandOver> HandOver::Begin(EventLoop& loop, const Options& options, Done done) {
  std::unique_ptr<HandOver> hand_over(new HandOver(loop, std::move(done)));
  if (Status begun = hand_over->Connect(options); !begun) {
    HandOver* const raw = hand_over.get();
    loop.Post([raw, alive = std::weak_ptr(raw->alive_), begun = std::move(begun)] {
      if (!alive.expired()) raw->Finish(begun);
    });
  }
  return hand_over;
}

Status HandOver::Connect(const Options& options) {
  socket_ = TRY(ConnectUnix(options.socket_path));
  request_ = RequestOf(options.body);
  descriptors_ = options.descriptors;
  TRY(Send());
  return WatchSocket();
}

Status HandOver::WatchSocket() {
  watch_.reset();
  const auto interest =
      request_.empty() ? EventLoop::Interest::kReadable : EventLoop::Interest::kBoth;
  watch_.emplace(TRY(loop_.WatchFor(socket_.get(), interest, [this] { OnReady(); })));
  return {};
}

void HandOver::OnReady() {
  const bool was_sending = !request_.empty();
  if (const Status sent = Send(); !sent) return Finish(sent);
  // Before it has all of the request too: it may refuse that unread.
  const Result<bool> complete = Receive();
  if (!complete) return Finish(tl::unexpected(complete.error()));
  if (*complete) return Finish(Judge(answer_));
  if (!was_sending || !request_.empty()) return;
  if (const Status watching = WatchSocket(); !watching) Finish(watching);
}

Status HandOver::Send() {
  while (!request_.empty()) {
    const Result<size_t> sent =
        SendMessage(socket_, std::as_bytes(std::span(request_)), descriptors_);
    if (!sent && MayPass(sent.error())) return {};
    const size_t count = TRY(sent);
    descriptors_.clear();
    request_.erase(0, count);
  }
  return {};
}

Result<bool> HandOver::Receive() {
  std::array<std::byte, kPieceBytes> piece;
  for (;;) {
    const Result<ReceivedMessage> got = ReceiveMessage(socket_, piece, Descriptors::kLeave);
    if (!got && MayPass(got.error())) return false;
    if (!got) return tl::unexpected(got.error());
    if (got->size_bytes == 0) return true;
    for (const std::byte byte : std::span(piece).first(got->size_bytes)) {
      answer_ += static_cast<char>(byte);
    }
    if (answer_.size() > kMaxAnswerBytes) return Error("its answer has no end");
  }
}

void HandOver::Finish(const Status& outcome) {
  watch_.reset();
  socket_.Reset();
  // Who is told may destroy this.
  const Done done = std::exchange(done_, {});
  if (done) done(outcome);
}

}  // namespace ember::vmm
