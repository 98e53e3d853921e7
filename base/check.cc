#include "base/check.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/concat.h"

namespace ember {

void CheckFailed(const char* file, int line, const char* condition) {
  const std::string message = Concat(file, ":", line, ": check failed: ", condition, "\n");
  // Past the log, whose own state may be what is broken.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, message.data(), message.size());
  std::abort();
}

}  // namespace ember
