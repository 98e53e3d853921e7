#include "base/result.h"

#include <cerrno>
#include <cstring>

#include "base/concat.h"

namespace ember {

Error Error::FromErrno(std::string_view what) { return FromErrorNumber(what, errno); }

Error Error::FromErrno(std::string_view what, std::string_view path) {
  const int error_number = errno;
  return FromErrorNumber(Concat(what, " ", path), error_number);
}

Error Error::FromErrorNumber(std::string_view what, int error_number) {
  // GNU strerror_r returns the text and needs no shared buffer.
  char buffer[128];
  return {Concat(what, ": ", ::strerror_r(error_number, buffer, sizeof(buffer))), error_number};
}

Error Error::WithContext(std::string_view context) && {
  message_ = Concat(context, ": ", message_);
  return std::move(*this);
}

}  // namespace ember
