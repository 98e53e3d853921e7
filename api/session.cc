#include "api/session.h"

#include <utility>
#include <variant>

#include "base/check.h"
#include "base/clock.h"
#include "vmm/metrics/prometheus.h"

namespace ember::api {

namespace {

Response ResponseTo(const vmm::Reply& reply) {
  if (!reply.prometheus.empty()) {
    return {.status = HttpStatus::kOk,
            .body = reply.prometheus,
            .content_type = vmm::PrometheusText::kContentType};
  }
  if (reply.json.empty()) return {};
  return {.status = HttpStatus::kOk, .body = reply.json};
}

}  // namespace

void Session::Receive(std::string_view bytes) {
  if (input_.empty()) {
    input_ = Serve(bytes);  // the common case copies nothing
    return;
  }
  input_ += bytes;
  ServeInput();
}

void Session::ReceiveDescriptors(std::vector<Fd> descriptors) {
  descriptors_ = std::move(descriptors);
}

std::optional<vmm::Action> Session::TakeAction() { return std::exchange(action_, std::nullopt); }

vmm::Action Session::HandOver(Fd socket) {
  vmm::HandedSocket::Parts parts{
      .fd = std::move(socket), .greeting = {}, .input = std::exchange(input_, {})};
  AppendUpgradeHead(parts.greeting, Protocol::kConsole);
  handed_ = std::make_shared<vmm::HandedSocket>(std::move(parts));
  return vmm::DeviceAction{vmm::AttachConsole{.port = console_->port, .socket = handed_}};
}

void Session::Complete(const Result<vmm::Reply>& outcome) {
  if (handed_ && outcome) {
    handed_over_ = true;
    return;
  }
  if (!outcome) return Refuse(Fault(outcome.error().message()));
  if (tally_.latency_us != nullptr) tally_.latency_us->Set(MicrosecondsSince(asked_));
  Response response = ResponseTo(*outcome);
  response.deprecated = deprecated_;
  Answer(response);
}

void Session::Refuse(const Response& response) {
  handed_.reset();
  console_.reset();
  if (tally_.fails != nullptr) tally_.fails->Add();
  Answer(response);
}

void Session::Answer(const Response& response) {
  EMBER_CHECK(waiting_);
  waiting_ = false;
  Send(response);
  ServeInput();
}

LateAnswer::TimePoint Session::next_look() const {
  if (late_) return late_->next_look();
  // A stream that is not read is looked at when it is.
  if (!stream_ || output_.size() >= Stream::kPageBytes) return LateAnswer::TimePoint::max();
  return stream_->next_look();
}

void Session::Look(LateAnswer::TimePoint now) {
  if (stream_ && !ended_ && output_.size() < Stream::kPageBytes) {
    stream_->AppendTo(output_, now);
  }
  if (!late_) return;
  std::optional<Response> response = late_->Look(now);
  if (!response) return;
  late_.reset();
  Answer(*response);
}

void Session::LookLast(LateAnswer::TimePoint now) {
  Look(now);
  while (has_more_output() && output_.size() < kMaxOutputBytes) stream_->AppendTo(output_, now);
  if (late_) {
    const Response response = late_->LookLast(now);
    late_.reset();
    waiting_ = false;
    Send(response);
  }
  ended_ = true;
}

void Session::OnSent(size_t size_bytes) {
  output_.erase(0, size_bytes);
  ServeInput();
}

void Session::ServeInput() {
  const size_t left = Serve(input_).size();
  input_.erase(0, input_.size() - left);
}

std::string_view Session::Serve(std::string_view bytes) {
  while (!bytes.empty() && !waiting_ && !ended_ && !stream_ && output_.size() < kMaxOutputBytes) {
    const size_t taken = parser_.Parse(bytes);
    bytes.remove_prefix(taken);
    switch (parser_.state()) {
      case RequestParser::State::kComplete:
        Answer(WithDescriptors(parser_.request()));
        descriptors_.clear();
        break;
      case RequestParser::State::kBroken:
        ended_ = true;
        AppendResponse(output_, TransportError(parser_.error()), AfterResponse::kClose);
        break;
      case RequestParser::State::kIncomplete:
        if (parser_.expects_continue() && !std::exchange(told_to_continue_, true)) {
          AppendContinue(output_);
        }
        if (taken == 0) return bytes;
        break;
    }
  }
  return ended_ || stream_ ? std::string_view() : bytes;
}

Request Session::WithDescriptors(Request request) {
  request.descriptors = &descriptors_;
  return request;
}

void Session::Answer(const Request& request) {
  Outcome outcome = router_.Handle(request);
  if (auto* call = std::get_if<ActionCall>(&outcome)) {
    action_ = std::move(call->action);
    deprecated_ = call->deprecated;
    tally_ = call->tally;
    if (tally_.latency_us != nullptr) asked_ = MonotonicClock().Now();
    waiting_ = true;
    return;
  }
  if (auto* late = std::get_if<LateCall>(&outcome)) {
    if (std::optional<Response> response = (*late)->Look(std::chrono::steady_clock::now())) {
      return Send(*response);
    }
    late_ = std::move(*late);
    waiting_ = true;
    return;
  }
  if (auto* call = std::get_if<StreamCall>(&outcome)) return Begin(std::move(*call));
  if (auto* call = std::get_if<ConsoleCall>(&outcome)) {
    console_ = std::move(*call);
    tally_ = {};
    waiting_ = true;
    return;
  }
  Send(std::get<Response>(outcome));
}

void Session::Begin(StreamCall call) {
  if (call.protocol == Protocol::kHttp) {
    AppendStreamHead(output_, call.content_type);
  } else {
    AppendUpgradeHead(output_, call.protocol);
  }
  stream_ = std::move(call.stream);
  ++answered_;
}

void Session::Send(const Response& response) {
  const bool refused = response.status >= HttpStatus::kBadRequest;
  ended_ = !parser_.keep_alive() || (refused && parser_.request().upgrade != Protocol::kHttp);
  AppendResponse(output_, response, ended_ ? AfterResponse::kClose : AfterResponse::kKeepAlive);
  ++answered_;
  told_to_continue_ = false;
  if (!ended_) parser_.Next();
}

}  // namespace ember::api
