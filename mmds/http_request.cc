#include "mmds/http_request.h"

#include <algorithm>
#include <utility>

namespace ember::mmds {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kScheme = "http://";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

// A character of a token (RFC 9110, 5.6.2): a method's, or a field name's.
bool IsTokenLetter(char c) {
  const char lower = Lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsTokenLetter);
}
bool IsPrintable(char c) { return c > ' ' && c <= '~'; }
bool IsFieldLetter(char c) { return (c >= ' ' && c != '\x7f') || c == '\t' || c < 0; }

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// The next of `text`'s parts between separators.
std::string_view TakePart(std::string_view& text, std::string_view separator) {
  const size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
  return part;
}

// Of "/path" and of "http://host/path".
std::string_view PathOf(std::string_view target) {
  if (EqualIgnoringCase(target.substr(0, kScheme.size()), kScheme)) {
    target.remove_prefix(kScheme.size());
    target.remove_prefix(std::min(target.find('/'), target.size()));
  }
  return target.starts_with('/') ? target : std::string_view();
}

bool ReadRequestLine(std::string_view line, HttpRequest& request) {
  request.method = TakePart(line, " ");
  const std::string_view target = TakePart(line, " ");
  request.version = line;
  if (!IsToken(request.method) || target.empty() || !std::ranges::all_of(target, IsPrintable)) {
    return false;
  }
  request.path = PathOf(target);
  if (request.version == "HTTP/1.0") request.keep_alive = false;
  return request.version == "HTTP/1.1" || request.version == "HTTP/1.0";
}

// The first of the two formats that the list names, without regard to how much it is liked.
bool WantsJson(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view range = TakePart(accept, ",");
    const std::string_view type = Trim(TakePart(range, ";"));
    if (EqualIgnoringCase(type, "application/json")) return true;
    if (EqualIgnoringCase(type, "text/plain")) return false;
  }
  return false;
}

// False where the field announces a body.
bool ReadField(std::string_view name, std::string_view value, HttpRequest& request) {
  const auto is = [name](std::string_view other) { return EqualIgnoringCase(name, other); };
  const auto take_first = [&](std::optional<HttpRequest::Field>& field) {
    if (!field) field = {.name = name, .value = value};
  };
  if (is("content-length")) return value == "0";
  if (is("transfer-encoding")) return false;
  if (is("connection")) {
    while (!value.empty()) {
      const std::string_view option = Trim(TakePart(value, ","));
      if (EqualIgnoringCase(option, "close")) request.keep_alive = false;
      if (EqualIgnoringCase(option, "keep-alive")) request.keep_alive = true;
    }
  } else if (is("accept")) {
    request.wants_json = WantsJson(value);
  } else if (is("x-metadata-token") || is("x-aws-ec2-metadata-token")) {
    take_first(request.token);
  } else if (is("x-metadata-token-ttl-seconds") || is("x-aws-ec2-metadata-token-ttl-seconds")) {
    take_first(request.token_lifetime);
  } else if (is("x-forwarded-for")) {
    take_first(request.forwarded_for);
  }
  return true;
}

}  // namespace

std::optional<HttpRequest> ReadHttpRequest(std::string_view head) {
  // Some clients end a body that they do not send (RFC 9112, 2.2).
  while (head.starts_with(kLineEnd)) head.remove_prefix(kLineEnd.size());
  HttpRequest request;
  if (!ReadRequestLine(TakePart(head, kLineEnd), request)) return std::nullopt;
  for (;;) {
    std::string_view line = TakePart(head, kLineEnd);
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trim(line.substr(colon + 1));
    const bool sound = IsToken(name) && std::ranges::all_of(value, IsFieldLetter);
    if (!sound || !ReadField(name, value, request)) return std::nullopt;
  }
  return request;
}

}  // namespace ember::mmds
