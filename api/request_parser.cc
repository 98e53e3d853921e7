#include "api/request_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/optional.hpp>
#include <optional>

#include "base/check.h"
#include "base/concat.h"

namespace ember::api {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

std::string_view ToStd(string_view text) { return {text.data(), text.size()}; }

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

// The path of a request target, which a client may write with scheme and host before it.
std::string_view PathOf(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (!target.starts_with(kScheme)) return target;
  const size_t slash = target.find('/', kScheme.size());
  return slash == std::string_view::npos ? "/" : target.substr(slash);
}

// Of a request, what the API cares for. Its strings keep their memory from request to request, the
// body not more than kKeptBodyBytes.
constexpr size_t kKeptBodyBytes = 4096;
struct Parts {
  Method method = Method::kOther;
  std::string method_name;
  std::string path;
  std::string body;
  bool expects_continue = false;
  bool may_upgrade = false;  // no HTTP/1.0
  std::string upgrade;       // the Upgrade fields' lists, as one
  std::string error;         // empty: what the parser's error code says
};

constexpr int kHttp11 = 11;  // as Beast has versions

// Beast's parser, which calls us with each part.
class Parser final : public http::basic_parser<true> {
 public:
  Parser(Parts& parts, size_t max_body_bytes) : parts_(parts), max_body_bytes_(max_body_bytes) {
    header_limit(RequestParser::kMaxHeadBytes);
    body_limit(boost::none);  // on_header_impl() has better words for it
    eager(true);
  }

 private:
  // NOLINTBEGIN(readability-identifier-naming): the names are Beast's.
  void on_request_impl(http::verb method, string_view name, string_view target, int version,
                       error_code& /*error*/) override {
    parts_.method = ToMethod(method);
    parts_.method_name = ToStd(name);
    parts_.path = PathOf(ToStd(target));
    parts_.body.clear();
    parts_.expects_continue = false;
    parts_.may_upgrade = version >= kHttp11;
    parts_.upgrade.clear();
    parts_.error.clear();
  }
  void on_field_impl(http::field field, string_view /*name*/, string_view value,
                     error_code& error) override {
    if (field == http::field::expect && boost::beast::iequals(value, "100-continue")) {
      parts_.expects_continue = true;
    }
    if (field == http::field::upgrade) {
      parts_.upgrade += ToStd(value);
      parts_.upgrade += ',';
    }
    if (field == http::field::transfer_encoding) {
      parts_.error = "Transfer-Encoding is not supported: send a Content-Length";
      error = http::error::bad_transfer_encoding;
    }
  }
  void on_header_impl(error_code& error) override {
    const auto length = content_length();
    if (!length || *length <= max_body_bytes_) return;
    parts_.error = Concat("Request payload with size ", *length, " is larger than the limit of ",
                          max_body_bytes_, " allowed by server");
    error = http::error::body_limit;
  }
  void on_body_init_impl(const boost::optional<uint64_t>& /*length*/, error_code&) override {
    // Nothing is reserved: a client that only announces a body gets no memory for it.
  }
  size_t on_body_impl(string_view bytes, error_code&) override {
    parts_.body += ToStd(bytes);
    return bytes.size();
  }
  // Unreachable: chunks are refused with their header field, and responses are not parsed.
  void on_response_impl(int, string_view, int, error_code&) override { EMBER_CHECK(false); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override { EMBER_CHECK(false); }
  size_t on_chunk_body_impl(uint64_t, string_view, error_code&) override {
    EMBER_CHECK(false);
    return 0;
  }
  void on_finish_impl(error_code&) override {}
  // NOLINTEND(readability-identifier-naming)

  Parts& parts_;
  const size_t max_body_bytes_;
};

}  // namespace

class RequestParser::Impl {
 public:
  explicit Impl(size_t max_body_bytes) : max_body_bytes_(max_body_bytes) { Next(); }

  void Next() {
    if (parts_.body.capacity() > kKeptBodyBytes) std::string().swap(parts_.body);
    parser_.emplace(parts_, max_body_bytes_);
    head_bytes_ = 0;
    state_ = State::kIncomplete;
  }

  size_t Parse(std::string_view bytes) {
    EMBER_CHECK(state_ == State::kIncomplete);
    if (bytes.empty()) return 0;
    // Beast's limit is for the first line and for the fields; ours is for both together.
    const bool in_head = !parser_->is_header_done();
    if (in_head) bytes = bytes.substr(0, kMaxHeadBytes - head_bytes_);
    error_code error;
    const size_t taken = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    if (in_head && !parser_->is_header_done() && error == http::error::need_more &&
        head_bytes_ + bytes.size() == kMaxHeadBytes) {
      error = http::error::header_limit;
    }
    if (in_head) head_bytes_ += taken;
    if (error && error != http::error::need_more) {
      if (parts_.error.empty()) parts_.error = Concat("Invalid HTTP request: ", error.message());
      state_ = State::kBroken;
    } else if (parser_->is_done()) {
      state_ = State::kComplete;
    }
    return taken;
  }

  State state() const { return state_; }
  const Parts& parts() const { return parts_; }
  bool head_complete() const { return parser_->is_header_done(); }
  bool keep_alive() const { return parser_->keep_alive(); }
  // A list of protocols counts where the Connection field says so.
  Protocol upgrade() const {
    const bool asked = parts_.may_upgrade && !parts_.upgrade.empty() && parser_->upgrade();
    return asked ? ParseUpgrade(parts_.upgrade) : Protocol::kHttp;
  }

 private:
  const size_t max_body_bytes_;
  Parts parts_;
  std::optional<Parser> parser_;
  size_t head_bytes_ = 0;  // taken of the head
  State state_ = State::kIncomplete;
};

RequestParser::RequestParser(size_t max_body_bytes)
    : impl_(std::make_unique<Impl>(max_body_bytes)) {}
RequestParser::~RequestParser() = default;

size_t RequestParser::Parse(std::string_view bytes) { return impl_->Parse(bytes); }
void RequestParser::Next() { impl_->Next(); }
RequestParser::State RequestParser::state() const { return impl_->state(); }
bool RequestParser::keep_alive() const { return impl_->keep_alive(); }
const std::string& RequestParser::error() const { return impl_->parts().error; }

bool RequestParser::expects_continue() const {
  return state() == State::kIncomplete && impl_->head_complete() && impl_->parts().expects_continue;
}

Request RequestParser::request() const {
  const Parts& parts = impl_->parts();
  return {.method = parts.method,
          .method_name = parts.method_name,
          .path = parts.path,
          .body = parts.body,
          .upgrade = impl_->upgrade()};
}

}  // namespace ember::api
