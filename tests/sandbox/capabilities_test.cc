// Each in a process of its own, which has nothing to lose.
#include "sandbox/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "tests/sandbox/child.h"

namespace ember::sandbox {
namespace {

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

Sets Current() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  Sets sets{};
  EXPECT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
  return sets;
}

bool HasNone() {
  for (const __user_cap_data_struct& part : Current()) {
    if ((part.effective | part.permitted | part.inheritable) != 0) return false;
  }
  return true;
}

bool Has(uint32_t capability) {
  return (Current()[capability / 32].effective >> (capability % 32) & 1) != 0;
}

TEST(CapabilitiesTest, NoneAreLeftAndNoneComeBack) {
  EXPECT_TRUE(HoldsInChild([] {
    if (!DropCapabilities() || !HasNone()) return false;
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const Sets wanted{{{.effective = 1, .permitted = 1, .inheritable = 0}, {}}};
    return ::syscall(SYS_capset, &header, wanted.data()) < 0 && HasNone();
  }));
}

TEST(CapabilitiesTest, AThreadWithoutAnyGivesUpNothing) {
  EXPECT_TRUE(HoldsInChild(
      [] { return DropCapabilities() && DropCapabilities() && DropBoundingSet() && HasNone(); }));
}

TEST(CapabilitiesTest, ProgramsGainNoneAndTheThreadKeepsItsOwn) {
  if (!Has(CAP_SETPCAP)) GTEST_SKIP() << "only root has a set to drop";
  EXPECT_TRUE(HoldsInChild([] {
    if (!DropBoundingSet() || !Has(CAP_SETPCAP)) return false;
    for (unsigned long capability = 0;; ++capability) {
      const int held = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
      if (held < 0) return capability > CAP_SYS_ADMIN;
      if (held != 0) return false;
    }
  }));
}

}  // namespace
}  // namespace ember::sandbox
