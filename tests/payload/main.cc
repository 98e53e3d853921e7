#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "kvm/system.h"

namespace {

constexpr int kNotRun = 77;  // as automake and CTest have it

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const ember::Result<ember::kvm::System> system = ember::kvm::System::Open();
  if (!system) {
    std::fprintf(stderr, "NOT RUN: payload tier: no /dev/kvm to use: %s\n",
                 system.error().message().c_str());
    return kNotRun;
  }
  const std::string backend(ember::kvm::Describe(system->backend()));
  std::fprintf(stderr, "payload tier on %s\n", backend.c_str());
  return RUN_ALL_TESTS();
}
