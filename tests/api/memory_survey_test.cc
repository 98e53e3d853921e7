#include "api/memory_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/api/api_fixture.h"

namespace ember::api {
namespace {

using testing::HasSubstr;

// As the kernel writes it, shortened.
constexpr std::string_view kSmaps =
    "55d0c0000000-55d0c0100000 r-xp 00000000 08:01 1234                       /usr/bin/ember-vmm\n"
    "Size:               1024 kB\nRss:                 512 kB\nPss:                 100 kB\n"
    "Pss_Dirty:            50 kB\nSwap:                  4 kB\nSwapPss:               2 kB\n"
    "VmFlags: rd ex mr mw me\n"
    "7f0000000000-7f0010000000 rw-p 00000000 00:00 0\n"
    "Rss:                2048 kB\nPss:                2048 kB\nSwap:                 16 kB\n"
    "7f0020000000-7f0030000000 rw-s 00000000 00:0f 99  /anon_hugepage (deleted)\n"
    "Rss:                   0 kB\nPss:                   0 kB\nShared_Hugetlb:     1024 kB\n"
    "Private_Hugetlb:    4096 kB\n";

TEST(MemorySurveyTest, TellsTheGuestsMappingsFromTheOthers) {
  const MemorySurvey survey =
      ReadSurvey(kSmaps, {{0x7f0000000000, 0x7f0010000000}, {0x7f0020000000, 0x7f0030000000}});
  EXPECT_EQ(survey.vmm, (HeldMemory{.rss = 512 << 10, .pss = 100 << 10, .swap = 4 << 10}));
  EXPECT_EQ(survey.guest, (HeldMemory{.rss = (2048 + 1024 + 4096) << 10,
                                      .pss = (2048 + 1024 + 4096) << 10,
                                      .swap = 16 << 10}));
}

TEST(MemorySurveyTest, WithoutAGuestAllIsTheVmms) {
  const MemorySurvey survey = ReadSurvey(kSmaps, {});
  EXPECT_EQ(survey.guest, HeldMemory{});
  EXPECT_EQ(survey.vmm.swap, uint64_t{20} << 10);
}

TEST(MemorySurveyTest, NonsenseIsNothing) {
  EXPECT_EQ(ReadSurvey("Rss: x kB\n\nPss:\n-\nffff-\n", {}).vmm, HeldMemory{});
}

TEST(MemorySurveyTest, SeesThisProcess) {
  const Result<MemorySurvey> survey = SurveyMemory({});
  ASSERT_TRUE(survey) << survey.error().message();
  EXPECT_GT(survey->vmm.rss, uint64_t{1} << 20);
  EXPECT_GE(survey->vmm.rss, survey->vmm.pss);
}

class MemoryEndpointTest : public ServedApiTest {};

TEST_F(MemoryEndpointTest, AnswersBeforeAndAfterTheStart) {
  for (int i = 0; i < 2; ++i) {
    const Reply reply = Call("GET", "/memory");
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body, HasSubstr(R"({"guest":{"rss_bytes":0,"pss_bytes":0,"swap_bytes":0,)"
                                      R"("configured_bytes":134217728,"balloon_target_bytes":null,)"
                                      R"("hotplug_limit_bytes":null},"vmm":{"rss_bytes":)"));
    if (i == 0) StartMachine();
  }
}

TEST_F(MemoryEndpointTest, ManyAskAtOnce) {
  std::vector<ApiClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back().Send(RequestBytes("GET", "/memory", "")));
  }
  for (ApiClient& client : clients) EXPECT_EQ(client.Receive().value_or(Reply{}).status, 200);
}

}  // namespace
}  // namespace ember::api
