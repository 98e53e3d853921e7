#ifndef EMBER_BASE_CHECK_H_
#define EMBER_BASE_CHECK_H_

namespace ember {

// Writes the file, line and condition to stderr and aborts. Never for what a guest or client sent.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace ember

// For states that only a bug of ours can produce.
#define EMBER_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::ember::CheckFailed(__FILE__, __LINE__, #condition))

#endif  // EMBER_BASE_CHECK_H_
