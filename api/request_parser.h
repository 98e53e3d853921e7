#ifndef EMBER_API_REQUEST_PARSER_H_
#define EMBER_API_REQUEST_PARSER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "api/message.h"

namespace ember::api {

// Reads one HTTP/1.0 or 1.1 request after the other from hostile bytes, in pieces as they come.
// Bounded: a head of at most kMaxHeadBytes, a body of at most max_body_bytes, whose length is given
// (no chunks). One thread at a time.
class RequestParser {
 public:
  static constexpr size_t kMaxHeadBytes = 8192;

  enum class State : uint8_t {
    kIncomplete,  // needs more bytes
    kComplete,    // request() is valid until Next()
    kBroken,      // error() says why; nothing more can be read
  };

  explicit RequestParser(size_t max_body_bytes);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes from the front of `bytes` what belongs to the request, and returns how many. What it does
  // not take, the caller keeps and passes again, with more behind. Not after kComplete or kBroken.
  size_t Parse(std::string_view bytes);
  // Begins with the request after the complete one.
  void Next();

  State state() const;
  // Whether the head is complete and the client waits with its body until told to go on.
  bool expects_continue() const;
  // Of the complete request: whether the client wants to send more after it.
  bool keep_alive() const;
  Request request() const;
  // Without a full stop at its end.
  const std::string& error() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember::api

#endif  // EMBER_API_REQUEST_PARSER_H_
