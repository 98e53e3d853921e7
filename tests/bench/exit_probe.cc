// exit_probe ROUNDS: what a port write of the guest costs, as a bare KVM_RUN loop and with the exit
// answered by a device on a bus of the usual size, in turns. Prints
//   {"bare_ns": [mean of each round…], "dispatched_ns": […], "dispatch_alone_ns": […]}
// The last is the same answer over and over without KVM: the dispatch itself, free of KVM's noise.
#include <sys/ioctl.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/concat.h"
#include "kvm/exit_dispatch.h"
#include "tests/payload/payload_code.h"
#include "tests/payload/payload_guest.h"

namespace ember {
namespace {

constexpr int kExitsPerRound = 2000;
constexpr int kDispatchesPerRound = 1'000'000;
constexpr uint16_t kPort = 0x1400;
// A machine's buses hold a handful of devices; the one that is asked is in the middle.
constexpr uint64_t kNeighbours = 8;

using SteadyClock = std::chrono::steady_clock;

template <typename Body>
double MeanNanoseconds(int count, Body body) {
  const auto began = SteadyClock::now();
  for (int i = 0; i < count; ++i) body();
  return std::chrono::duration<double, std::nano>(SteadyClock::now() - began).count() / count;
}

void Print(const char* name, const std::vector<double>& values, const char* after) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.2f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

int Run(int rounds) {
  PayloadGuest guest;
  for (uint64_t i = 0; i < kNeighbours; ++i) {
    Must(guest.pio().Insert({.base = 0x1000 + i * 0x100, .size_bytes = 8},
                            std::make_shared<CountingDevice>()));
  }
  PayloadCode code;
  code.MovRdx(kPort).MovRax('A');
  const size_t again = code.Here();
  code.Out(Width::k8).JumpTo(again);
  const auto vcpu = guest.CreateVcpu(0, code);

  kvm::VcpuMetrics metrics;
  const auto run = [&] { Must(vcpu->Run()); };
  const auto dispatch = [&] {
    const auto stop =
        kvm::DispatchExit(vcpu->run_area(), guest.mmio(), guest.pio(), vcpu->exit_clock(), metrics);
    if (stop) std::abort();
  };
  std::vector<double> bare;
  std::vector<double> dispatched;
  std::vector<double> alone;
  for (int round = 0; round <= rounds; ++round) {
    const double of_bare = MeanNanoseconds(kExitsPerRound, run);
    const double of_dispatched = MeanNanoseconds(kExitsPerRound, [&] { run(), dispatch(); });
    const double of_alone = MeanNanoseconds(kDispatchesPerRound, dispatch);
    if (round == 0) continue;  // warms up
    bare.push_back(of_bare);
    dispatched.push_back(of_dispatched);
    alone.push_back(of_alone);
  }
  std::printf("{");
  Print("bare_ns", bare, ", ");
  Print("dispatched_ns", dispatched, ", ");
  Print("dispatch_alone_ns", alone, "}\n");
  return 0;
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: exit_probe ROUNDS\n");
    return 2;
  }
  return ember::Run(std::atoi(argv[1]));
}
