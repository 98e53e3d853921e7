#include "mmds/ipv4_address.h"

#include <gtest/gtest.h>

namespace ember::mmds {
namespace {

TEST(Ipv4AddressTest, TextGoesInAndComesOut) {
  for (const char* text : {"169.254.169.254", "0.0.0.0", "255.255.255.255", "10.0.200.1"}) {
    const std::optional<Ipv4Address> address = Ipv4Address::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(Ipv4AddressTest, WhatIsNoAddressIsRefused) {
  for (const char* text : {"", ".", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.", "1.2.3.4.5", "1..2.3",
                           "256.1.1.1", "1.1.1.-1", "01.2.3.4", "1.2.3.04", "1.2.3.4 ", " 1.2.3.4",
                           "1.2.3.x", "1,2,3,4", "::1", "0x1.2.3.4"}) {
    EXPECT_FALSE(Ipv4Address::Parse(text)) << text;
  }
}

TEST(Ipv4AddressTest, LinkLocalLeavesOutTheReservedEnds) {
  for (const char* text : {"169.254.1.0", "169.254.169.254", "169.254.254.255"}) {
    EXPECT_TRUE(Ipv4Address::Parse(text)->IsLinkLocal()) << text;
  }
  for (const char* text : {"169.254.0.255", "169.254.255.0", "169.253.1.1", "168.254.1.1"}) {
    EXPECT_FALSE(Ipv4Address::Parse(text)->IsLinkLocal()) << text;
  }
}

}  // namespace
}  // namespace ember::mmds
