#ifndef EMBER_BASE_RESULT_H_
#define EMBER_BASE_RESULT_H_

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace ember {

// What went wrong, as a sentence for a person, with both values where two disagree
// ("vcpu_count 33 exceeds the limit 32"). A plain value; any thread.
//
//   if (::fdatasync(fd) < 0) return Error::FromErrno("fdatasync", path);
//   if (count > kMax) return Error(Concat("count ", count, " exceeds the limit ", kMax));
class Error {
 public:
  explicit Error(std::string message) : message_(std::move(message)) {}

  // "WHAT: No such file or directory", taking `errno` as it is at the call.
  static Error FromErrno(std::string_view what);
  // "WHAT PATH: No such file or directory".
  static Error FromErrno(std::string_view what, std::string_view path);
  // The same for an error number at hand.
  static Error FromErrorNumber(std::string_view what, int error_number);

  const std::string& message() const { return message_; }
  // The errno of the host's failure; 0 where the error is not from the host.
  int error_number() const { return error_number_; }

  // "CONTEXT: message". For the way up.
  Error WithContext(std::string_view context) &&;

  // So that a function returning Result<T> or Status may `return Error(…)`.
  template <typename T>
  operator tl::expected<T, Error>() && {  // NOLINT(google-explicit-constructor)
    return tl::unexpected<Error>(std::move(*this));
  }

 private:
  Error(std::string message, int error_number)
      : message_(std::move(message)), error_number_(error_number) {}

  std::string message_;
  int error_number_ = 0;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

namespace result_internal {

// The value of a result that has one; tl::expected<void, E> has no value() to call.
template <typename T, typename E>
T TakeValue(tl::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace result_internal
}  // namespace ember

// The value of a Result, or out of the function with its error:
//   Fd fd = TRY(OpenFile(path, Access::kReadOnly));
//   TRY(memory.WriteBytes(at, bytes));
#define TRY(expression)                                                                \
  __extension__({                                                                      \
    auto try_result = (expression);                                                    \
    if (!try_result.has_value()) return tl::unexpected(std::move(try_result).error()); \
    ::ember::result_internal::TakeValue(std::move(try_result));                        \
  })

// The same, adding context to the error: TRY_CONTEXT(Load(path), "kernel image").
#define TRY_CONTEXT(expression, context)                                         \
  __extension__({                                                                \
    auto try_result = (expression);                                              \
    if (!try_result.has_value())                                                 \
      return tl::unexpected(std::move(try_result).error().WithContext(context)); \
    ::ember::result_internal::TakeValue(std::move(try_result));                  \
  })

#endif  // EMBER_BASE_RESULT_H_
