#ifndef EMBER_MMDS_HTTP_REQUEST_H_
#define EMBER_MMDS_HTTP_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace ember::mmds {

// The head of a request, as far as the metadata service cares. Borrows from what it was read from.
struct HttpRequest {
  // A field by which a token or a lifetime came, under the name that the client gave it.
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  std::string_view method;
  std::string_view path;     // begins with '/'; empty where the target has none
  std::string_view version;  // "HTTP/1.1" or "HTTP/1.0"
  bool keep_alive = true;
  bool wants_json = false;
  std::optional<Field> token;
  std::optional<Field> token_lifetime;
  std::optional<Field> forwarded_for;
};

// Reads what ends with the first empty line. Nothing where it is no request, or one with a body,
// which none of ours has. A pure function of hostile bytes.
std::optional<HttpRequest> ReadHttpRequest(std::string_view head);

}  // namespace ember::mmds

#endif  // EMBER_MMDS_HTTP_REQUEST_H_
