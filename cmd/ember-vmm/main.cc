#include <cstdio>
#include <exception>
#include <variant>

#include "base/clock.h"
#include "cmd/ember-vmm/options.h"
#include "cmd/ember-vmm/process.h"
#include "vmm/exit_code.h"

namespace {

int Main(int argc, char** argv) {
  const auto started = ember::MonotonicClock().Now();
  const auto parsed = ember::ParseCommandLine(argc, argv);
  if (const auto* early = std::get_if<ember::EarlyExit>(&parsed)) {
    std::fputs(early->out.c_str(), stdout);
    std::fputs(early->error.c_str(), stderr);
    return early->exit_code;
  }
  return ember::RunProcess(std::get<ember::VmmOptions>(parsed), started);
}

}  // namespace

// Our own code does not throw; the library's may, where memory runs out.
int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "ember-vmm: %s\n", exception.what());
  }
  return ember::vmm::ToInteger(ember::vmm::ExitCode::kGenericError);
}
