#ifndef EMBER_CMD_EMBER_JAILER_OPTIONS_H_
#define EMBER_CMD_EMBER_JAILER_OPTIONS_H_

#include <string>
#include <variant>

#include "jailer/config.h"

namespace ember {

// --cleanup: remove the jail of this name.
struct CleanUpRequest {
  jailer::JailName name;
};

// The command line said all there is to do (--help, --version) or was wrong.
struct EarlyExit {
  int exit_code = 0;
  std::string out;    // for stdout
  std::string error;  // for stderr
};

// Reads the command line, touching nothing of the host. Called once, from main.
std::variant<jailer::Config, CleanUpRequest, EarlyExit> ParseCommandLine(int argc,
                                                                         const char* const* argv);

}  // namespace ember

#endif  // EMBER_CMD_EMBER_JAILER_OPTIONS_H_
