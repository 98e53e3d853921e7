#include "kvm/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "base/concat.h"
#include "kvm/arch.h"

namespace ember::kvm {
namespace {

std::vector<Capability> Needed() {
  std::vector<Capability> all;
  for (const auto part : {CommonCapabilities(), arch::Capabilities()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

TEST(CapabilitiesTest, HostThatHasThemAllPasses) {
  EXPECT_TRUE(CheckCapabilities(
      Needed(), [](int) { return 1; }, "/dev/kvm"));
}

TEST(CapabilitiesTest, EachMissingOneIsNamedWithItsPurpose) {
  const std::vector<Capability> needed = Needed();
  for (const Capability& missing : needed) {
    const Status status = CheckCapabilities(
        needed, [&](int number) { return number == missing.number ? 0 : 1; }, "/dev/kvm");
    ASSERT_FALSE(status) << missing.name;
    EXPECT_EQ(status.error().message(),
              Concat("/dev/kvm lacks ", missing.name, " (", missing.short_name, "): needed for ",
                     missing.needed_for));
  }
}

TEST(CapabilitiesTest, AHostThatDoesNotAnswerIsNoHostThatLacksThem) {
  const auto silent = [](int) -> Result<int> { return Error::FromErrorNumber("asked", EIO); };
  const Status checked = CheckCapabilities(Needed(), silent, "/dev/kvm");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().error_number(), EIO);
  const Status client = CheckModifiers(std::vector<CapabilityModifier>{{7}}, silent, "/dev/kvm");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().error_number(), EIO);
}

TEST(CapabilitiesTest, WhatAClientTakesAwayIsNotLookedFor) {
  const std::vector<Capability> needed = Needed();
  const auto none = [](int) { return 0; };
  std::vector<CapabilityModifier> all;
  all.reserve(needed.size() + 1);
  for (const Capability& capability : needed) all.push_back({capability.number, false});
  EXPECT_TRUE(CheckCapabilities(needed, none, "/dev/kvm", all));
  all.push_back({.number = needed.front().number});  // and back again
  EXPECT_FALSE(CheckCapabilities(needed, none, "/dev/kvm", all));
}

TEST(CapabilitiesTest, WhatAClientNeedsIsNamedWhereItIsMissing) {
  const auto query = [](int number) { return number == 7 ? 1 : 0; };
  const std::vector<CapabilityModifier> modifiers = {{.number = 7}, {.number = 56}};
  EXPECT_TRUE(CheckModifiers(std::vector{modifiers[0]}, query, "/dev/kvm"));
  const Status status = CheckModifiers(modifiers, query, "/dev/kvm");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(),
            "/dev/kvm lacks the capability 56 that kvm_capabilities of the CPU configuration need");
  EXPECT_TRUE(CheckModifiers(std::vector<CapabilityModifier>{{56}, {56, false}}, query, ""));
}

TEST(CapabilitiesTest, NoneIsListedTwiceOrWithoutAReason) {
  std::set<int> numbers;
  for (const Capability& capability : Needed()) {
    EXPECT_TRUE(numbers.insert(capability.number).second) << capability.name;
    EXPECT_FALSE(capability.short_name.empty()) << capability.name;
    EXPECT_FALSE(capability.needed_for.empty()) << capability.name;
  }
}

TEST(CapabilitiesTest, OtherInterfaceVersionNamesBothVersions) {
  EXPECT_TRUE(CheckApiVersion(12, "/dev/kvm"));
  const Status status = CheckApiVersion(11, "/dev/kvm");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(),
            "/dev/kvm speaks version 11 of the KVM interface, not version 12");
}

}  // namespace
}  // namespace ember::kvm
