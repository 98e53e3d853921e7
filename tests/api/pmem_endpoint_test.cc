#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/concat.h"
#include "tests/api/api_fixture.h"

// Persistent memory's endpoints before and after the start, over the socket.
namespace ember::api {
namespace {

using testing::HasSubstr;

class PmemEndpointTest : public ServedApiTest {
 protected:
  std::string Body(std::string_view id) {
    return Concat(R"({"id":")", id, R"(","path_on_host":")", directory_.Write("disk", "memory"),
                  R"("})");
  }
};

TEST_F(PmemEndpointTest, DeviceIsShownInTheConfiguration) {
  EXPECT_EQ(Call("PUT", "/pmem/p0", Body("p0")).status, 204);
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("pmem":[{"id":"p0",)"));
}

TEST_F(PmemEndpointTest, IdsOfPathAndBodyMustBeTheSame) {
  EXPECT_THAT(Call("PUT", "/pmem/p1", Body("p0")).body, HasSubstr("does not match"));
  EXPECT_THAT(Call("PUT", "/pmem/p-0", Body("p-0")).body, HasSubstr("alphanumeric"));
}

TEST_F(PmemEndpointTest, ItIsPutBeforeAndChangedAfterTheStart) {
  constexpr std::string_view kUpdate =
      R"({"id":"p0","rate_limiter":{"ops":{"size":1,"refill_time":1000}}})";
  EXPECT_THAT(Call("PATCH", "/pmem/p0", kUpdate).body, HasSubstr("before starting"));
  StartMachine();
  EXPECT_EQ(Call("PATCH", "/pmem/p0", kUpdate).status, 204);
  EXPECT_THAT(Call("PATCH", "/pmem/p0", R"({"id":"p0","path_on_host":"/x"})").body,
              HasSubstr("unknown field `path_on_host`"));
  EXPECT_THAT(Call("PUT", "/pmem/p0", Body("p0")).body, HasSubstr("after starting"));
}

}  // namespace
}  // namespace ember::api
