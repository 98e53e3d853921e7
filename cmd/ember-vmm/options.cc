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

// Where CLI11 puts what is only looked at here.
struct RefusedOptions {
  bool enable_pci = false;
};

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

// The name we were called by, without folders.
std::string ProgramName(int argc, const char* const* argv) {
  if (argc == 0) return "ember-vmm";
  const std::string_view path(argv[0]);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

// Under the contract's name clients take the whole output, or its second word, for the release
// whose API we speak; under any other they look for the line that names it.
std::string VersionText(std::string_view program) {
  std::string contract = Concat("Firecracker v", EMBER_API_VERSION, "\n");
  if (program == "firecracker") return contract;
  return Concat("Ember v", EMBER_VERSION, "\n", contract);
}

void AddConfinementOptions(CLI::App& app, VmmOptions& options) {
  auto* filter =
      app.add_option("--seccomp-filter", options.seccomp_filter,
                     "Filters for system calls, compiled by ember-seccomp, in place of our own");
  auto* paths = app.add_option("--allow-path", options.allow_paths,
                               "File or directory to open files of while a guest runs, beside the "
                               "machine's own (default: any; may be repeated)")
                    ->check(CLI::ExistingPath)
                    ->allow_extra_args(false);
  app.add_flag("--no-seccomp", options.no_seccomp, "Run without filters for system calls")
      ->excludes(filter)
      ->excludes(paths);
}

// Flags of the contract for what this version cannot do. To take them would be to pretend.
void AddRefusedOptions(CLI::App& app, RefusedOptions& refused) {
  app.add_flag("--enable-pci", refused.enable_pci,
               "Give the guest its devices on a PCI bus: not in this version");
}

// The flags among them that take no value; empty where there are none.
std::string_view Refusal(const RefusedOptions& refused) {
  if (!refused.enable_pci) return {};
  return "--enable-pci: this version has no PCI bus; guests find their devices on virtio-mmio";
}

void AddOptions(CLI::App& app, VmmOptions& options, std::string& level) {
  auto* api_sock = app.add_option("--api-sock", options.api_sock, "Path of the API's Unix socket")
                       ->capture_default_str();
  app.add_option("--api-fd", options.api_fd,
                 "Descriptor of a Unix socket that listens, to serve the API on instead")
      ->excludes(api_sock)
      ->check(CLI::NonNegativeNumber);
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
  app.add_option("--metrics-path", options.metrics_path, "File or FIFO for the metrics");
  app.add_option("--http-api-max-payload-size", options.http_api_max_payload_bytes,
                 "Largest body of a request, in bytes")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--mmds-size-limit", options.mmds_size_limit_bytes,
                 "Most bytes of metadata (default: --http-api-max-payload-size)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--metadata", options.metadata_file,
                 "JSON file with the metadata that the guest finds");
  app.add_option("--describe-snapshot", options.describe_snapshot,
                 "Print the format of a snapshot's state file, and what is in it");
  app.add_flag("--snapshot-version", options.snapshot_version,
               "Print the format of the snapshots that are made");
  app.add_option("--start-time-us", options.start_time_us,
                 "When the parent began to start us, in microseconds of the monotonic clock")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--start-time-cpu-us", options.start_time_cpu_us,
                 "The processor time that we had used by then, in microseconds")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--parent-cpu-time-us", options.parent_cpu_time_us,
                 "The processor time that the parent used for us, in microseconds")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

std::variant<VmmOptions, EarlyExit> ParseCommandLine(int argc, const char* const* argv) {
  const std::string program = ProgramName(argc, argv);
  const auto bad_arguments = [&program](std::string_view what, std::string_view hint) {
    return EarlyExit{.exit_code = vmm::ToInteger(vmm::ExitCode::kBadArguments),
                     .error = Concat(program, ": ", what, "\n", hint)};
  };
  VmmOptions options;
  RefusedOptions refused;
  std::string level = "Info";
  CLI::App app{Concat(program, " runs one microVM, configured over its API socket or from a file."),
               program};
  app.set_help_flag("--help,-h", "This text");
  app.set_version_flag("--version", VersionText(program));
  AddOptions(app, options, level);
  AddConfinementOptions(app, options);
  AddRefusedOptions(app, refused);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{.out = app.help()};
  } catch (const CLI::CallForVersion&) {
    return EarlyExit{.out = VersionText(program)};
  } catch (const CLI::ParseError& error) {
    return bad_arguments(error.what(), Concat("See ", program, " --help.\n"));
  }
  if (const std::string_view refusal = Refusal(refused); !refusal.empty()) {
    return bad_arguments(refusal, "");
  }
  options.takes_listen_fds = app.count("--api-sock") == 0 && !options.api_fd;
  Result<LogLevel> parsed_level = ParseLogLevel(level);
  if (!parsed_level) {
    return bad_arguments(Concat("--level: ", parsed_level.error().message()), "");
  }
  options.level = *parsed_level;
  return options;
}

}  // namespace ember
