#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/counter.h"
#include "base/fd.h"
#include "base/log_tail.h"
#include "base/thread.h"
#include "base/thread_annotations.h"

namespace ember {
namespace {

// What a signal handler needs of the options, where it may take no lock: it may see an id half
// changed, never past its end.
struct SignalOptions {
  static constexpr size_t kIdBytes = 64;  // the longest id there is

  std::atomic<int> fd{STDERR_FILENO};
  std::array<std::atomic<char>, kIdBytes + 1> id{};  // ends with 0
};

struct LogState {
  std::atomic<LogLevel> level{LogLevel::kInfo};
  std::atomic<bool> has_module{false};
  Counter lost_lines;
  Counter rate_limited_lines;
  SignalOptions signal;
  LogTail tail;

  Mutex mutex;
  LogOptions options GUARDED_BY(mutex);
  Fd file GUARDED_BY(mutex);  // invalid: stderr
};

LogState& State() {
  // Never destroyed: threads may log while the process exits.
  static LogState* const state = std::make_unique<LogState>().release();
  return *state;
}

constexpr std::array<std::string_view, 6> kLevelNames = {"OFF",  "ERROR", "WARN",
                                                         "INFO", "DEBUG", "TRACE"};

char ToLower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, ToLower, ToLower);
}

// "api::server" is "api/server", as clients of the contract write modules.
std::string ModulePath(std::string_view module) {
  std::string path;
  for (size_t at = 0; at < module.size(); ++at) {
    const bool separator = module.substr(at, 2) == "::";
    path += separator ? '/' : module[at];
    if (separator) ++at;
  }
  return path;
}

// A time or text in memory of its own, so that a signal handler can write it too.
template <size_t capacity>
class FixedText {
 public:
  void Append(char letter) {
    if (size_ < capacity) bytes_[size_++] = letter;
  }
  void Append(std::string_view text) {
    for (const char letter : text) Append(letter);
  }
  // Not negative; of `width` digits at most.
  void AppendPadded(int64_t value, size_t width) {
    std::array<char, 20> digits;
    for (size_t i = width; i > 0; --i, value /= 10) {
      digits[i - 1] = static_cast<char>('0' + value % 10);
    }
    Append({digits.data(), width});
  }
  std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, capacity> bytes_;
  size_t size_ = 0;
};

// 2026-11-21T05:46:01.123456789, UTC. By <chrono>'s calendar, because gmtime_r() takes a lock and
// reads the time zone's file at its first call.
FixedText<32> Timestamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::chrono::sys_seconds moment{std::chrono::seconds(now.tv_sec)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  FixedText<32> out;
  out.AppendPadded(static_cast<int>(date.year()), 4);
  out.Append('-');
  out.AppendPadded(static_cast<unsigned>(date.month()), 2);
  out.Append('-');
  out.AppendPadded(static_cast<unsigned>(date.day()), 2);
  out.Append('T');
  out.AppendPadded(time.hours().count(), 2);
  out.Append(':');
  out.AppendPadded(time.minutes().count(), 2);
  out.Append(':');
  out.AppendPadded(time.seconds().count(), 2);
  out.Append('.');
  out.AppendPadded(now.tv_nsec, 9);
  return out;
}

// C0 and DEL; C1 as UTF-8 (0xc2, then 0x80 to 0x9f) and as a lone byte.
bool IsControl(std::string_view text, size_t at) {
  const auto byte_at = [text](size_t index) {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0u;
  };
  const auto is_c1 = [](unsigned byte) { return byte >= 0x80 && byte < 0xa0; };
  const unsigned byte = byte_at(at);
  if (byte < 0x20 || byte == 0x7f) return true;
  if (byte == 0xc2) return is_c1(byte_at(at + 1));
  const unsigned before = at == 0 ? 0 : byte_at(at - 1);
  return is_c1(byte) && (before < 0x80 || before == 0xc2);
}

void AppendEscapedByte(std::string& line, char byte) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  line += "\\x";
  line += kHexDigits[value >> 4];
  line += kHexDigits[value & 0xf];
}

// Appends `text` without control characters, up to a line length of `limit`; what is cut is said.
void AppendEscaped(std::string& line, std::string_view text, size_t limit) {
  constexpr std::string_view kCut = " [cut]";
  constexpr size_t kEscapedBytes = 4;
  for (size_t at = 0; at < text.size(); ++at) {
    if (line.size() + kEscapedBytes + kCut.size() > limit) {
      line += kCut;
      return;
    }
    if (IsControl(text, at)) {
      AppendEscapedByte(line, text[at]);
    } else {
      line += text[at];
    }
  }
}

std::string FormatLine(const LogOptions& options, LogLevel level, log_internal::Site site,
                       std::string_view message) {
  // Room for the newline; and an id or file name, however long, leaves room for the message.
  constexpr size_t kLimit = kMaxLogLineBytes - 1;
  constexpr size_t kIdLimit = 256;
  constexpr size_t kOriginLimit = 1024;
  std::string line;
  line.reserve(std::min(kMaxLogLineBytes, kIdLimit + message.size()));
  line += Timestamp().text();
  line += " [";
  AppendEscaped(line, options.instance_id, kIdLimit);
  line += ':';
  AppendEscaped(line, CurrentThreadName(), kIdLimit * 2);
  if (options.show_level) {
    line += ':';
    line += kLevelNames[static_cast<size_t>(level)];
  }
  if (options.show_origin) {
    AppendEscaped(line, Concat(":", site.file, ":", site.line), kOriginLimit);
  }
  line += "] ";
  AppendEscaped(line, message, kLimit);
  line += '\n';
  return line;
}

// One write; false where the line is lost. A descriptor that others share (stderr) keeps its
// blocking mode, so it is asked first: POLLOUT on a pipe promises room for a whole line.
bool WriteLine(int fd, bool may_block, std::string_view line) {
  if (may_block) {
    pollfd poll_fd{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&poll_fd, 1, 0) != 1 || (poll_fd.revents & POLLOUT) == 0) return false;
  }
  ssize_t written = 0;
  do {
    written = ::write(fd, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(line.size());
}

}  // namespace

void ConfigureLog(const LogOptions& options) {
  LogState& state = State();
  state.level.store(options.level, std::memory_order_relaxed);
  state.has_module.store(!options.module.empty(), std::memory_order_relaxed);
  for (size_t i = 0; i < SignalOptions::kIdBytes; ++i) {
    const char letter = i < options.instance_id.size() ? options.instance_id[i] : '\0';
    state.signal.id[i].store(letter, std::memory_order_relaxed);
  }
  const MutexLock lock(state.mutex);
  state.options = options;
  state.options.module = ModulePath(options.module);
}

LogOptions CurrentLogOptions() {
  LogState& state = State();
  const MutexLock lock(state.mutex);
  return state.options;
}

Status OpenLogFile(const std::string& path) {
  Fd file = TRY(OpenToAppend(path));
  LogState& state = State();
  const MutexLock lock(state.mutex);
  // First, so that a handler meets no descriptor that is closed.
  state.signal.fd.store(file.get(), std::memory_order_relaxed);
  state.file = std::move(file);
  return {};
}

Result<LogLevel> ParseLogLevel(std::string_view text) {
  if (EqualsIgnoringCase(text, "warning")) return LogLevel::kWarning;
  for (size_t level = 0; level < kLevelNames.size(); ++level) {
    if (EqualsIgnoringCase(text, kLevelNames[level])) return static_cast<LogLevel>(level);
  }
  return Error(
      Concat("log level \"", text, "\" is none of Off, Error, Warning, Info, Debug and Trace"));
}

uint64_t lost_log_lines() { return State().lost_lines.value(); }
uint64_t rate_limited_log_lines() { return State().rate_limited_lines.value(); }
LogTail& log_tail() { return State().tail; }

void LogInSignalHandler(std::initializer_list<std::string_view> parts) {
  const int saved_errno = errno;
  LogState& state = State();
  if (state.level.load(std::memory_order_relaxed) == LogLevel::kOff) return;
  const SignalOptions& options = state.signal;
  FixedText<kMaxSignalLineBytes - 1> text;
  text.Append(Timestamp().text());
  text.Append(" [");
  for (const std::atomic<char>& letter : options.id) {
    const char value = letter.load(std::memory_order_relaxed);
    if (value == '\0') break;
    text.Append(value);
  }
  text.Append(':');
  text.Append(CurrentThreadName());
  text.Append("] ");
  for (const std::string_view part : parts) text.Append(part);
  FixedText<kMaxSignalLineBytes> line;
  line.Append(text.text());
  line.Append('\n');
  const int fd = options.fd.load(std::memory_order_relaxed);
  if (!WriteLine(fd, fd == STDERR_FILENO, line.text())) state.lost_lines.Add();
  errno = saved_errno;
}

namespace log_internal {

bool Enabled(LogLevel level, const char* file) {
  LogState& state = State();
  if (level > state.level.load(std::memory_order_relaxed)) return false;
  if (!state.has_module.load(std::memory_order_relaxed)) return true;
  const MutexLock lock(state.mutex);
  return std::string_view(file).starts_with(state.options.module);
}

void Write(LogLevel level, Site site, std::string_view message) {
  LogState& state = State();
  const MutexLock lock(state.mutex);
  const std::string line = FormatLine(state.options, level, site, message);
  const bool shared = !state.file.valid();
  const int fd = shared ? STDERR_FILENO : state.file.get();
  if (!WriteLine(fd, shared, line)) state.lost_lines.Add();
  state.tail.Append(line);
}

bool SiteLimit::Admit() {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(MonotonicClock().Now());
  return AdmitAt(static_cast<uint64_t>(now.count()));
}

bool SiteLimit::AdmitAt(uint64_t now_ms) {
  static_assert(kBurst < (uint64_t{1} << kCountBits));
  const uint64_t fresh = (now_ms / kPeriodMs) << kCountBits;
  uint64_t seen = period_and_count_.load(std::memory_order_relaxed);
  while (true) {
    const bool same_period = (seen >> kCountBits) == (fresh >> kCountBits);
    const uint64_t before = same_period ? seen : fresh;
    if (before - fresh >= kBurst) {
      State().rate_limited_lines.Add();
      return false;
    }
    if (period_and_count_.compare_exchange_weak(seen, before + 1, std::memory_order_relaxed)) {
      return true;
    }
  }
}

}  // namespace log_internal
}  // namespace ember
