#include "api/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <utility>

#include "base/concat.h"

namespace ember::api {
namespace {

namespace http = boost::beast::http;

Method ToMethod(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::put:
      return Method::kPut;
    case http::verb::patch:
      return Method::kPatch;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

constexpr std::string_view kDropped = "\nAll previous unanswered requests will be dropped.";

std::string OversizeMessage(const std::optional<uint64_t>& length, size_t limit) {
  if (!length) return Concat("Request payload exceeds the limit of ", limit, " bytes.", kDropped);
  return Concat("Request payload with size ", *length, " is larger than the limit of ", limit,
                " allowed by server.", kDropped);
}

}  // namespace

Connection::Connection(Socket socket, const Handler& handler, size_t max_body_bytes)
    : socket_(std::move(socket)),
      handler_(handler),
      max_body_bytes_(max_body_bytes),
      buffer_(kMaxHeaderBytes + max_body_bytes) {}

void Connection::ReadHeader() {
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(max_body_bytes_);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, size_t) { self->OnHeader(error); });
}

void Connection::OnHeader(ErrorCode error) {
  if (error) return OnReadError(error);
  last_progress_ = Clock::now();
  if (parser_->chunked()) {
    return Send(TransportError("Chunked bodies are not supported."), AfterResponse::kClose);
  }
  if (parser_->get()[http::field::expect] != "100-continue") return ReadBody();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  boost::asio::async_write(socket_, boost::asio::buffer(kContinue),
                           [self = shared_from_this()](ErrorCode write_error, size_t) {
                             if (write_error) return self->Close();
                             self->ReadBody();
                           });
}

void Connection::ReadBody() {
  // What came together with the header needs no further trip through the loop.
  if (parser_->is_done()) return OnRequest({});
  http::async_read(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, size_t) { self->OnRequest(error); });
}

void Connection::OnRequest(ErrorCode error) {
  if (error) return OnReadError(error);
  const auto& message = parser_->get();
  const Request request{.method = ToMethod(message.method()),
                        .method_name = message.method_string(),
                        .path = message.target(),
                        .body = message.body()};
  const Response response = handler_(request);
  Send(response, message.keep_alive() ? AfterResponse::kKeepAlive : AfterResponse::kClose);
}

void Connection::OnReadError(ErrorCode error) {
  if (error == http::error::end_of_stream ||
      error.category() != http::make_error_code(http::error::end_of_stream).category()) {
    return Close();  // the client has gone
  }
  if (error == http::error::partial_message) return Close();
  if (error == http::error::body_limit) {
    const auto length = parser_->content_length();
    return Send(TransportError(OversizeMessage(
                    length ? std::optional<uint64_t>(*length) : std::nullopt, max_body_bytes_)),
                AfterResponse::kClose);
  }
  Send(TransportError(Concat("Invalid HTTP request: ", error.message(), ".", kDropped)),
       AfterResponse::kClose);
}

void Connection::Refuse() {
  ending_ = true;
  Send({HttpStatus::kServiceUnavailable, "{ \"error\": \"Too many open connections.\" }"},
       AfterResponse::kClose);
}

void Connection::Send(const Response& response, AfterResponse after) {
  out_ = Serialize(response, after);
  last_progress_ = Clock::now();
  Write(after);
}

void Connection::Write(AfterResponse after) {
  writing_ = true;
  boost::asio::async_write(socket_, boost::asio::buffer(out_),
                           [self = shared_from_this(), after](ErrorCode error, size_t) {
                             self->writing_ = false;
                             if (error || self->ending_ || after == AfterResponse::kClose) {
                               return self->Close();
                             }
                             self->last_progress_ = Clock::now();
                             self->ReadHeader();
                           });
}

void Connection::Shutdown() {
  ending_ = true;
  if (!writing_) Close();
}

void Connection::CloseIfStuckSince(Clock::time_point moment) {
  const bool midway = writing_ || buffer_.size() > 0 || (parser_ && parser_->got_some());
  if (midway && last_progress_ < moment) Close();
}

void Connection::Close() {
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace ember::api
