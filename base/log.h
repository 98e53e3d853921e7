#ifndef EMBER_BASE_LOG_H_
#define EMBER_BASE_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/concat.h"
#include "base/result.h"

// The process's log: one line per record, to stderr until OpenLogFile() says otherwise.
//
//   2026-11-21T05:46:01.123456789 [instance:thread:INFO:vmm/vm.cc:88] guest memory 128 MiB
//
// Level and origin are there where they are asked for. Time is UTC. Control characters in a message
// are written as \xNN, so that text of a guest or client cannot forge a line or steer a terminal,
// and a line is at most kMaxLogLineBytes long.
//
// It is the one piece of process-wide state, because a process is one machine. Any thread; a
// write never blocks (a full pipe loses the line, and the loss is counted). In signal handlers
// only LogInSignalHandler().
//
//   EMBER_LOG(kInfo, "guest memory ", size_mib, " MiB");
//   EMBER_LOG_LIMITED(kWarning, "block: unknown request type ", type);   // what a guest causes
namespace ember {

// A pipe takes this much in one piece or not at all (PIPE_BUF), so lines never mix or tear.
inline constexpr size_t kMaxLogLineBytes = 4096;

enum class LogLevel : uint8_t { kOff, kError, kWarning, kInfo, kDebug, kTrace };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  std::string instance_id;  // written in each line
  bool show_level = false;
  bool show_origin = false;  // file:line
  // Only records of source files whose path from the root begins with this: "vmm", "api/server",
  // or "api::server". Empty: of all.
  std::string module = {};
};

void ConfigureLog(const LogOptions& options);
LogOptions CurrentLogOptions();
// Sends the log to the file, FIFO or device at `path`, opened for appending and non-blocking; a
// file that is not there is created (mode 0600). A FIFO needs no reader yet.
Status OpenLogFile(const std::string& path);
// Case-insensitive: Off, Error, Warning (or Warn), Info, Debug, Trace.
Result<LogLevel> ParseLogLevel(std::string_view text);
// Lines that could not be written, and those that a call site's limit held back.
uint64_t lost_log_lines();
uint64_t rate_limited_log_lines();

// Writes the parts as one line, at error level, whatever the module. Async-signal-safe: it takes no
// lock and no memory, so the line may come between those of other threads but not within one. Kept
// short: what does not fit in kMaxSignalLineBytes is cut.
inline constexpr size_t kMaxSignalLineBytes = 512;
void LogInSignalHandler(std::initializer_list<std::string_view> parts);

namespace log_internal {

// A file's path from the root of the source tree, which is where this header is in base/.
constexpr const char* FromSourceRoot(const char* file) {
  constexpr std::string_view kHere = __FILE__;
  constexpr std::string_view kRoot = kHere.substr(0, kHere.size() - sizeof("base/log.h") + 1);
  return std::string_view(file).starts_with(kRoot) ? file + kRoot.size() : file;
}

struct Site {
  const char* file;  // from the root
  int line;
};

// Whether a record of this level from this file is to be written.
bool Enabled(LogLevel level, const char* file);
void Write(LogLevel level, Site site, std::string_view message);

// At most kBurst records in each period of kPeriodMs from one call site; the rest are counted.
class SiteLimit {
 public:
  static constexpr uint64_t kBurst = 10;
  static constexpr uint64_t kPeriodMs = 5000;

  bool Admit();
  // Admit() at a given time on the monotonic clock.
  bool AdmitAt(uint64_t now_ms);

 private:
  // Number of the period in the upper bits, records admitted in it in the lower kCountBits, so that
  // one compare-and-swap changes both.
  static constexpr int kCountBits = 8;
  std::atomic<uint64_t> period_and_count_{0};
};

}  // namespace log_internal
}  // namespace ember

#define EMBER_LOG(log_level, ...)                                                      \
  do {                                                                                 \
    constexpr ::ember::log_internal::Site log_site{                                    \
        ::ember::log_internal::FromSourceRoot(__FILE__), __LINE__};                    \
    if (::ember::log_internal::Enabled(::ember::LogLevel::log_level, log_site.file)) { \
      ::ember::log_internal::Write(::ember::LogLevel::log_level, log_site,             \
                                   ::ember::Concat(__VA_ARGS__));                      \
    }                                                                                  \
  } while (false)

#define EMBER_LOG_LIMITED(log_level, ...)                                              \
  do {                                                                                 \
    constexpr ::ember::log_internal::Site log_site{                                    \
        ::ember::log_internal::FromSourceRoot(__FILE__), __LINE__};                    \
    static ::ember::log_internal::SiteLimit log_site_limit;                            \
    if (::ember::log_internal::Enabled(::ember::LogLevel::log_level, log_site.file) && \
        log_site_limit.Admit()) {                                                      \
      ::ember::log_internal::Write(::ember::LogLevel::log_level, log_site,             \
                                   ::ember::Concat(__VA_ARGS__));                      \
    }                                                                                  \
  } while (false)

#endif  // EMBER_BASE_LOG_H_
