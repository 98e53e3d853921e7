#include "base/mac_address.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(MacAddressTest, ReadsAndWritesTheUsualForm) {
  const auto address = MacAddress::Parse("06:00:C0:a8:00:fF");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->ToString(), "06:00:c0:a8:00:ff");
  for (const char* text : {"", "06:00:c0:a8:00", "06:00:c0:a8:00:0", "06:00:c0:a8:00:0g",
                           "06:00:c0:a8:00:01:02", "06-00-c0-a8-00-01", "0x:00:c0:a8:00:01",
                           "+6:00:c0:a8:00:01", " 6:00:c0:a8:00:01", "06:00:c0:a8:00:01 "}) {
    EXPECT_FALSE(MacAddress::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace ember
