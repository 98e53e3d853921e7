#ifndef EMBER_VMM_LOGGER_LOGGER_H_
#define EMBER_VMM_LOGGER_LOGGER_H_

#include <optional>
#include <string>

#include "base/log.h"
#include "base/result.h"

namespace ember::vmm {

// The log as clients set it up. What is absent stays as it is, but for the level.
struct LoggerConfig {
  LogLevel level = LogLevel::kInfo;
  std::optional<std::string> log_path;
  std::optional<bool> show_level;
  std::optional<bool> show_log_origin;
  std::optional<std::string> module;

  friend bool operator==(const LoggerConfig&, const LoggerConfig&) = default;
};

// Sets up the process's log (base/log.h) for a client. Loop thread.
class Logger {
 public:
  // Once; after an error, which leaves the log as it was, again.
  Status Configure(const LoggerConfig& config);

 private:
  bool is_configured_ = false;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_LOGGER_LOGGER_H_
