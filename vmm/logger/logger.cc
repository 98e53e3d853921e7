#include "vmm/logger/logger.h"

namespace ember::vmm {

Status Logger::Configure(const LoggerConfig& config) {
  if (config.log_path && config.log_path->empty()) return Error("log_path is empty");
  if (is_configured_) return Error("The logger is already initialized.");
  if (config.log_path) TRY_CONTEXT(OpenLogFile(*config.log_path), "log_path");
  LogOptions options = CurrentLogOptions();
  options.level = config.level;
  options.show_level = config.show_level.value_or(options.show_level);
  options.show_origin = config.show_log_origin.value_or(options.show_origin);
  options.module = config.module.value_or(options.module);
  ConfigureLog(options);
  is_configured_ = true;
  return {};
}

}  // namespace ember::vmm
