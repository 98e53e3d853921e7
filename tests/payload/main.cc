#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/fd.h"
#include "kvm/ioctl.h"
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
  // A host patches its scheduler for its first VM and back after its last. One that stays spares it
  // that for each test, which kernels under QEMU's emulation do not always survive.
  const ember::Result<int> vm = ember::kvm::Ioctl(system->fd(), KVM_CREATE_VM, "KVM_CREATE_VM");
  if (!vm) {
    std::fprintf(stderr, "%s\n", vm.error().message().c_str());
    return EXIT_FAILURE;
  }
  const ember::Fd first_vm(*vm);
  return RUN_ALL_TESTS();
}
