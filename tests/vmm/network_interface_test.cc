#include "vmm/net/network_interface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/vmm/config_parts.h"

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Message(const Status& status) { return status ? "" : status.error().message(); }

NetworkInterfaceConfig Named(std::string id, std::string tap) {
  return {.iface_id = std::move(id), .host_dev_name = std::move(tap)};
}

TEST(NetworkInterfaceTest, HasExactlyOneBackEnd) {
  EXPECT_EQ(Message(Validate(Named("a", "tap0"))), "");
  EXPECT_EQ(Message(Validate({.iface_id = "a", .tap_fd = 3})), "");
  EXPECT_EQ(Message(Validate({.iface_id = "a", .socket_path = "/s"})), "");
  EXPECT_EQ(Message(Validate({.iface_id = "a"})), "missing field `host_dev_name`");
  EXPECT_THAT(Message(Validate({.iface_id = "a", .host_dev_name = "t", .socket_path = "/s"})),
              HasSubstr("exclude each other"));
  EXPECT_THAT(Message(Validate({.iface_id = "a", .tap_fd = 0, .socket_path = "/s"})),
              HasSubstr("exclude each other"));
  EXPECT_EQ(Message(Validate(Named("a", ""))), "host_dev_name is empty");
  EXPECT_EQ(Message(Validate({.iface_id = "a", .socket_path = ""})), "socket_path is empty");
  EXPECT_THAT(Message(Validate(Named("a-b", "tap0"))), StartsWith("iface_id: API Resource IDs"));
}

TEST(NetworkInterfaceTest, MtuAndQueuePairsHaveLimits) {
  NetworkInterfaceConfig interface = Named("a", "tap0");
  for (const uint16_t mtu : {uint16_t{68}, uint16_t{69}, uint16_t{65534}, uint16_t{65535}}) {
    interface.mtu = mtu;
    EXPECT_EQ(Message(Validate(interface)), "");
  }
  for (const uint16_t mtu : {uint16_t{0}, uint16_t{67}}) {
    interface.mtu = mtu;
    EXPECT_EQ(Message(Validate(interface)), Concat("mtu ", mtu, " is below the least, 68"));
  }
  interface.mtu.reset();
  for (const uint16_t pairs : {uint16_t{1}, uint16_t{15}, uint16_t{16}}) {
    interface.queue_pairs = pairs;
    EXPECT_EQ(Message(Validate(interface)), "");
  }
  interface.queue_pairs = 0;
  EXPECT_EQ(Message(Validate(interface)), "queue_pairs 0 is below the least, 1");
  interface.queue_pairs = 17;
  EXPECT_EQ(Message(Validate(interface)), "queue_pairs 17 exceeds the limit 16");
  EXPECT_THAT(Message(Validate({.iface_id = "a", .tap_fd = 3, .queue_pairs = 2})),
              StartsWith("queue_pairs 2 exceeds the limit 1"));
}

TEST(NetworkInterfaceListTest, KeepsTheOrderOfTheFirstPut) {
  std::vector<NetworkInterfaceConfig> list;
  for (const char* id : {"c", "a", "b"}) {
    ASSERT_TRUE(InsertNetworkInterface(list, Named(id, Concat("tap_", id))));
  }
  ASSERT_TRUE(InsertNetworkInterface(list, Named("a", "other")));
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[1], Named("a", "other"));
}

TEST(NetworkInterfaceListTest, RefusesAnAddressOrTapThatIsInUse) {
  std::vector<NetworkInterfaceConfig> list;
  NetworkInterfaceConfig first = Named("a", "tap0");
  first.guest_mac = MacAddress::Parse("06:00:c0:a8:00:01");
  ASSERT_TRUE(InsertNetworkInterface(list, first));
  ASSERT_TRUE(InsertNetworkInterface(list, {.iface_id = "f", .tap_fd = 3}));
  const auto before = list;
  NetworkInterfaceConfig second = Named("b", "tap1");
  second.guest_mac = MacAddress::Parse("06:00:C0:A8:00:01");
  EXPECT_EQ(Message(InsertNetworkInterface(list, second)),
            "guest_mac: The MAC address 06:00:c0:a8:00:01 is already in use by a");
  EXPECT_EQ(Message(InsertNetworkInterface(list, Named("b", "tap0"))),
            "host_dev_name tap0 is already in use by a");
  EXPECT_EQ(Message(InsertNetworkInterface(list, {.iface_id = "b", .tap_fd = 3})),
            "tap_fd 3 is already in use by f");
  EXPECT_EQ(list, before);
  EXPECT_TRUE(InsertNetworkInterface(list, first)) << "it may keep what it has";
}

TEST(NetworkInterfaceJsonTest, AnAddressIsOneOrNamedAsNone) {
  EXPECT_EQ(ReadError(R"({"iface_id":"a","host_dev_name":"t","guest_mac":"nonsense"})",
                      ReadNetworkInterface),
            "guest_mac: invalid value: string \"nonsense\", expected a MAC address as "
            "06:00:c0:a8:00:01");
}

TEST(NetworkInterfaceJsonTest, AnUpdateHasLimitersOnly) {
  EXPECT_EQ(ReadError(R"({"iface_id":"a","rx_rate_limiter":null})", ReadNetworkInterfaceUpdate),
            "");
  EXPECT_THAT(ReadError(R"({"iface_id":"a","host_dev_name":"t"})", ReadNetworkInterfaceUpdate),
              StartsWith("unknown field `host_dev_name`"));
  EXPECT_EQ(ReadError(R"({"iface_id":"a","tx_rate_limiter":{"ops":{"size":1}}})",
                      ReadNetworkInterfaceUpdate),
            "tx_rate_limiter: ops: missing field `refill_time`");
}

}  // namespace
}  // namespace ember::vmm
