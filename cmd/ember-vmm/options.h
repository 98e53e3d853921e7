#ifndef EMBER_CMD_EMBER_VMM_OPTIONS_H_
#define EMBER_CMD_EMBER_VMM_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/log.h"

namespace ember {

// What the command line asks of ember-vmm. A plain value.
struct VmmOptions {
  std::string api_sock = "/run/firecracker.socket";
  std::optional<int> api_fd;     // a socket that listens, in place of api_sock
  bool takes_listen_fds = true;  // the command line names no socket: LISTEN_FDS may
  std::string id = "anonymous-instance";
  std::optional<std::string> config_file;
  bool no_api = false;
  bool boot_timer = false;
  bool no_seccomp = false;
  std::optional<std::string> log_path;
  std::string module;  // empty: all
  LogLevel level = LogLevel::kInfo;
  bool show_level = false;
  bool show_log_origin = false;
  // Nothing is run where one of these is asked for.
  bool snapshot_version = false;
  std::optional<std::string> describe_snapshot;  // a state file's path
  std::optional<std::string> metrics_path;
  size_t http_api_max_payload_bytes = 51200;
  std::optional<size_t> mmds_size_limit_bytes;  // absent: http_api_max_payload_bytes
  std::optional<std::string> metadata_file;
  std::optional<std::string> seccomp_filter;  // a file; absent: what the program brings
  std::vector<std::string> allow_paths;       // empty: any
  // When the parent began to start us, on the monotonic and on the CPU clock, and what it had used.
  std::optional<uint64_t> start_time_us;
  std::optional<uint64_t> start_time_cpu_us;
  uint64_t parent_cpu_time_us = 0;
};

// The command line said all there is to do (--help, --version) or was wrong.
struct EarlyExit {
  int exit_code = 0;
  std::string out;    // for stdout
  std::string error;  // for stderr
};

// Reads the command line. Help and errors name the program as argv[0] does. Called once, from main.
std::variant<VmmOptions, EarlyExit> ParseCommandLine(int argc, const char* const* argv);

}  // namespace ember

#endif  // EMBER_CMD_EMBER_VMM_OPTIONS_H_
