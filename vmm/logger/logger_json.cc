#include "vmm/logger/logger_json.h"

#include "vmm/config_json_reader.h"

namespace ember::vmm {

Result<LoggerConfig> ReadLogger(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"level", "log_path", "show_level",
                                                 "show_log_origin", "module"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  LoggerConfig logger;
  if (const auto level = TRY(in.Optional<std::string>("level"))) {
    logger.level = TRY_CONTEXT(ParseLogLevel(*level), "level");
  }
  logger.log_path = TRY(in.Optional<std::string>("log_path"));
  logger.show_level = TRY(in.Optional<bool>("show_level"));
  logger.show_log_origin = TRY(in.Optional<bool>("show_log_origin"));
  logger.module = TRY(in.Optional<std::string>("module"));
  return logger;
}

}  // namespace ember::vmm
