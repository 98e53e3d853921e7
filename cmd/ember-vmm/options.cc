#include "cmd/ember-vmm/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string_view>

#include "base/concat.h"
#include "vmm/exit_code.h"

namespace ember {
namespace {

constexpr size_t kMaxIdBytes = 64;

// What the contract of the jail and the API allows in an instance id.
std::string CheckId(const std::string& id) {
  const bool letters_ok = std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  if (!letters_ok) return Concat("id \"", id, "\" may hold only letters, digits and '-'");
  if (id.empty()) return "the id may not be empty";
  if (id.size() > kMaxIdBytes) {
    return Concat("id of ", id.size(), " bytes exceeds the limit ", kMaxIdBytes);
  }
  return {};
}

// The first line is ours; the second is the release whose API we speak, as clients look for it.
std::string VersionText() {
  return Concat("Ember v", EMBER_VERSION, "\nFirecracker v", EMBER_API_VERSION,
                " (API contract)\n");
}

void AddOptions(CLI::App& app, VmmOptions& options, std::string& level) {
  app.add_option("--api-sock", options.api_sock, "Path of the API's Unix socket")
      ->capture_default_str();
  app.add_option("--id", options.id, "Identifier of this machine: letters, digits and '-'")
      ->capture_default_str()
      ->check(CheckId);
  auto* config_file = app.add_option("--config-file", options.config_file,
                                     "JSON file that describes a machine to start at once");
  app.add_flag("--no-api", options.no_api, "Serve no API; needs --config-file")->needs(config_file);
  app.add_flag("--boot-timer", options.boot_timer,
               "Give the guest a register that logs how long it took to boot");
  app.add_option("--log-path", options.log_path, "File or FIFO for the log (default: stderr)");
  app.add_option("--level", level, "Off, Error, Warning, Info, Debug or Trace")
      ->capture_default_str();
  app.add_option("--module", options.module, "Log only what files below this path say: vmm, api");
  app.add_flag("--show-level", options.show_level, "Write each log record's level");
  app.add_flag("--show-log-origin", options.show_log_origin,
               "Write each log record's file and line");
  app.add_option("--http-api-max-payload-size", options.http_api_max_payload_bytes,
                 "Largest body of a request, in bytes")
      ->capture_default_str();
  app.add_option("--mmds-size-limit", options.mmds_size_limit_bytes,
                 "Most bytes of metadata (default: --http-api-max-payload-size)");
  app.add_option("--metadata", options.metadata_file,
                 "JSON file with the metadata that the guest finds");
  app.set_version_flag("--version", VersionText());
}

}  // namespace

std::variant<VmmOptions, EarlyExit> ParseCommandLine(int argc, const char* const* argv) {
  VmmOptions options;
  std::string level = "Info";
  CLI::App app{"ember-vmm runs one microVM, configured over its API socket or from a file.",
               "ember-vmm"};
  app.set_help_flag("--help,-h", "This text");
  AddOptions(app, options, level);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{.out = app.help()};
  } catch (const CLI::CallForVersion&) {
    return EarlyExit{.out = VersionText()};
  } catch (const CLI::ParseError& error) {
    return EarlyExit{.exit_code = vmm::ToInteger(vmm::ExitCode::kBadArguments),
                     .error = Concat("ember-vmm: ", error.what(), "\nSee ember-vmm --help.\n")};
  }
  Result<LogLevel> parsed_level = ParseLogLevel(level);
  if (!parsed_level) {
    return EarlyExit{.exit_code = vmm::ToInteger(vmm::ExitCode::kBadArguments),
                     .error = Concat("ember-vmm: --level: ", parsed_level.error().message(), "\n")};
  }
  options.level = *parsed_level;
  return options;
}

}  // namespace ember
