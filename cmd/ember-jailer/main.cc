#include <cstdio>
#include <cstdlib>
#include <exception>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "cmd/ember-jailer/options.h"
#include "jailer/cleanup.h"
#include "jailer/launch.h"

namespace {

int Report(const ember::Status& done) {
  if (done) return 0;
  std::fprintf(stderr, "ember-jailer: %s\n", done.error().message().c_str());
  return 1;
}

int Main(int argc, char** argv) {
  const ember::jailer::StartTimes started{.wall = ember::MonotonicClock().Now(),
                                          .cpu = ember::ProcessCpuClock().Now()};
  const auto parsed = ember::ParseCommandLine(argc, argv);
  if (const auto* early = std::get_if<ember::EarlyExit>(&parsed)) {
    std::fputs(early->out.c_str(), stdout);
    std::fputs(early->error.c_str(), stderr);
    return early->exit_code;
  }
  ::clearenv();
  if (const auto* request = std::get_if<ember::CleanUpRequest>(&parsed)) {
    return Report(ember::jailer::CleanUp(request->name));
  }
  return Report(ember::jailer::Launch(std::get<ember::jailer::Config>(parsed), started));
}

}  // namespace

// Our own code does not throw; the library's may, where memory runs out.
int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "ember-jailer: %s\n", exception.what());
  }
  return 1;
}
