#include <malloc.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/fatal_signals.h"
#include "cmd/ember-vmm/options.h"
#include "cmd/ember-vmm/process.h"
#include "vmm/exit_code.h"
#include "vmm/snapshot/describe_snapshot.h"

namespace {

using ember::vmm::ExitCode;
using ember::vmm::ToInteger;

// The contract's exit codes for signals. SIGHUP ends the machine in order: the process's loop takes
// it (process.cc).
constexpr std::array<ember::FatalSignal, 8> kFatalSignals = {{
    {SIGSYS, "SIGSYS", ToInteger(ExitCode::kBadSystemCall)},
    {SIGBUS, "SIGBUS", ToInteger(ExitCode::kBusError)},
    {SIGSEGV, "SIGSEGV", ToInteger(ExitCode::kSegmentationFault)},
    {SIGXFSZ, "SIGXFSZ", ToInteger(ExitCode::kFileSizeLimit)},
    {SIGXCPU, "SIGXCPU", ToInteger(ExitCode::kCpuTimeLimit)},
    {SIGPIPE, "SIGPIPE", ToInteger(ExitCode::kBrokenPipe)},
    {SIGHUP, "SIGHUP", ToInteger(ExitCode::kHangUp)},
    {SIGILL, "SIGILL", ToInteger(ExitCode::kIllegalInstruction)},
}};

// Of memory, which all threads share.
constexpr int kArenas = 1;

int TellOfSnapshots(const ember::VmmOptions& options) {
  if (options.snapshot_version) {
    std::printf("%s\n", ember::vmm::SnapshotVersion().c_str());
    return 0;
  }
  const ember::Result<std::string> text = ember::vmm::DescribeSnapshot(*options.describe_snapshot);
  if (!text) {
    std::fprintf(stderr, "ember-vmm: %s\n", text.error().message().c_str());
    return ToInteger(ExitCode::kGenericError);
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

int Main(int argc, char** argv) {
  const auto started = ember::MonotonicClock().Now();
  const auto parsed = ember::ParseCommandLine(argc, argv);
  if (const auto* early = std::get_if<ember::EarlyExit>(&parsed)) {
    std::fputs(early->out.c_str(), stdout);
    std::fputs(early->error.c_str(), stderr);
    return early->exit_code;
  }
  const auto& options = std::get<ember::VmmOptions>(parsed);
  if (options.snapshot_version || options.describe_snapshot) return TellOfSnapshots(options);
  // For more the allocator would ask how many processors there are, and how the host commits memory
  // when it gives some back: files that the threads' filters do not let it open.
  ::mallopt(M_ARENA_MAX, kArenas);
  const ember::SignalStack signal_stack;
  if (const ember::Status handled = ember::HandleFatalSignals(kFatalSignals); !handled) {
    std::fprintf(stderr, "ember-vmm: %s\n", handled.error().message().c_str());
    return ToInteger(ExitCode::kGenericError);
  }
  return ember::RunProcess(options, started);
}

}  // namespace

// Our own code does not throw; the library's may, where memory runs out.
int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "ember-vmm: %s\n", exception.what());
  }
  return ToInteger(ExitCode::kGenericError);
}
