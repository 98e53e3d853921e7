#include "mmds/guest_service.h"

#include <gtest/gtest.h>

#include <string>

#include "base/concat.h"
#include "tests/base/fake_clock.h"

namespace ember::mmds {
namespace {

struct Reply {
  std::string head;
  std::string body;
  bool keep_alive = true;

  bool Says(std::string_view line) const {
    return head.find(Concat("\r\n", line, "\r\n")) != std::string::npos;
  }
  std::string status() const { return head.substr(0, head.find("\r\n")); }
};

class GuestServiceTest : public testing::Test {
 protected:
  GuestServiceTest() {
    metadata_.store.Replace(*Document::Parse(
        R"({"latest":{"meta-data":{"id":"i-1","n":5,"list":["l0"],"sub":{"k":"v"}}}})"));
  }
  void Use(const GuestService::Options& options) {
    GuestService::Options with_clock = options;
    with_clock.clock = &clock_;
    service_ = std::make_unique<GuestService>(metadata_, with_clock);
  }
  Reply Ask(std::string_view line, std::string_view fields = {}) {
    const GuestService::Answer answer = service_->Handle(Concat(line, "\r\n", fields, "\r\n"));
    const size_t end = answer.bytes.find("\r\n\r\n") + 4;
    return {.head = answer.bytes.substr(0, end),
            .body = answer.bytes.substr(end),
            .keep_alive = answer.keep_alive};
  }
  Reply Get(std::string_view path, std::string_view fields = {}) {
    return Ask(Concat("GET ", path, " HTTP/1.1"), fields);
  }
  Reply PutToken(std::string_view fields) { return Ask("PUT /latest/api/token HTTP/1.1", fields); }
  std::string Token(uint32_t seconds = 60) {
    return PutToken(Concat("X-metadata-token-ttl-seconds: ", seconds, "\r\n")).body;
  }

  FakeClock clock_;
  Metadata metadata_{DataStore::kDefaultLimitBytes};
  std::unique_ptr<GuestService> service_;
};

class Version1Test : public GuestServiceTest {
 protected:
  Version1Test() { Use({.needs_token = false}); }
};
class Version2Test : public GuestServiceTest {
 protected:
  Version2Test() { Use({.needs_token = true}); }
};

TEST_F(Version1Test, TheHeadIsThatOfTheContract) {
  const Reply reply = Get("/latest/meta-data/id");
  EXPECT_EQ(reply.head,
            "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
            "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(reply.body, "i-1");
}

TEST_F(Version1Test, TextListsAnObjectsNames) {
  EXPECT_EQ(Get("/").body, "latest/");
  EXPECT_EQ(Get("/latest/meta-data").body, "id\nlist\nn\nsub/");
  EXPECT_EQ(Get("/latest/meta-data/").body, "id\nlist\nn\nsub/");
  EXPECT_EQ(Get("//latest//meta-data//id/").body, "i-1");
  EXPECT_EQ(Get("http://169.254.169.254/latest/meta-data/list/0").body, "l0");
}

TEST_F(Version1Test, TheFormatIsWhatTheGuestAccepts) {
  for (const std::string_view accept :
       {"Accept: application/json\r\n", "accept:APPLICATION/JSON\r\n",
        "Accept: image/png, application/json;q=0.5, text/plain\r\n"}) {
    const Reply reply = Get("/latest/meta-data/sub", accept);
    EXPECT_EQ(reply.body, R"({"k":"v"})") << accept;
    EXPECT_TRUE(reply.Says("Content-Type: application/json"));
  }
  for (const std::string_view accept :
       {"Accept: text/plain\r\n", "Accept: */*\r\n", "Accept: plain/text\r\n", "Accept:\r\n",
        "Accept: text/plain, application/json\r\n"}) {
    const Reply reply = Get("/latest/meta-data/sub", accept);
    EXPECT_EQ(reply.body, "k") << accept;
    EXPECT_TRUE(reply.Says("Content-Type: text/plain"));
  }
}

TEST_F(Version1Test, WhatIsNotThereIs404AndWhatIsNoText501) {
  Reply reply = Get("/latest/nothing");
  EXPECT_EQ(reply.status(), "HTTP/1.1 404 ");
  EXPECT_EQ(reply.body, "Resource not found: /latest/nothing.");
  reply = Get("/latest/meta-data/n");
  EXPECT_EQ(reply.status(), "HTTP/1.1 501 ");
  EXPECT_EQ(reply.body, "Cannot retrieve value. The value has an unsupported type.");
  EXPECT_EQ(Get("/latest/meta-data/n", "Accept: application/json\r\n").body, "5");
}

TEST_F(Version1Test, OtherMethodsAre405AndSayWhichThereAre) {
  for (const std::string_view method : {"POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"}) {
    const Reply reply = Ask(Concat(method, " / HTTP/1.1"));
    EXPECT_EQ(reply.status(), "HTTP/1.1 405 ");
    EXPECT_EQ(reply.body, "Not allowed HTTP method.");
    EXPECT_TRUE(reply.Says("Allow: GET, PUT"));
  }
}

TEST_F(Version1Test, ATargetWithoutAPathIs400) {
  for (const std::string_view target : {"http://", "http://host", "latest", "*"}) {
    const Reply reply = Ask(Concat("GET ", target, " HTTP/1.1"));
    EXPECT_EQ(reply.status(), "HTTP/1.1 400 ") << target;
    EXPECT_EQ(reply.body, "Invalid URI.");
  }
}

TEST_F(Version1Test, WhatIsNoRequestIs400AndEndsTheConnection) {
  for (const std::string_view line :
       {"", "GET", "GET /", "GET / HTTP/2", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "G\tT / HTTP/1.1",
        "GET /\x01 HTTP/1.1", "GET  / HTTP/1.1"}) {
    const Reply reply = Ask(line);
    EXPECT_EQ(reply.status(), "HTTP/1.1 400 ") << line;
    EXPECT_EQ(reply.body, "Invalid request.");
    EXPECT_FALSE(reply.keep_alive);
  }
  for (const std::string_view field :
       {"no colon\r\n", ": x\r\n", "a b: x\r\n", "A: \x01\r\n", "Content-Length: 100\r\n",
        "Content-Length: x\r\n", "Transfer-Encoding: chunked\r\n"}) {
    EXPECT_EQ(Get("/", field).body, "Invalid request.") << field;
  }
}

TEST_F(Version1Test, ABodyOfNoBytesIsNone) {
  EXPECT_EQ(Get("/", "Content-Length: 0\r\n").status(), "HTTP/1.1 200 ");
}

TEST_F(Version1Test, TheConnectionStaysOpenAsHttpHasIt) {
  EXPECT_TRUE(Get("/").keep_alive);
  EXPECT_FALSE(Get("/", "Connection: close\r\n").keep_alive);
  EXPECT_FALSE(Get("/", "connection: x, CLOSE\r\n").keep_alive);
  const Reply old = Ask("GET / HTTP/1.0");
  EXPECT_EQ(old.status(), "HTTP/1.0 200 ");
  EXPECT_FALSE(old.keep_alive);
  EXPECT_TRUE(old.Says("Connection: close"));
  EXPECT_TRUE(Ask("GET / HTTP/1.0", "Connection: keep-alive\r\n").keep_alive);
}

TEST_F(Version1Test, NoTokenIsNeededAndABadOneIsPassedOver) {
  EXPECT_EQ(Get("/latest/meta-data/id").body, "i-1");
  EXPECT_EQ(metadata_.metrics.rx_no_token.value(), 1U);
  EXPECT_EQ(Get("/latest/meta-data/id", "X-metadata-token: x\r\n").body, "i-1");
  EXPECT_EQ(metadata_.metrics.rx_invalid_token.value(), 1U);
  EXPECT_EQ(Get("/latest/meta-data/id", Concat("X-metadata-token: ", Token(), "\r\n")).body, "i-1");
  EXPECT_EQ(metadata_.metrics.rx_invalid_token.value(), 1U);
}

TEST_F(GuestServiceTest, AnswersAreTextForImdsClientsWhateverTheyAccept) {
  Use({.needs_token = false, .always_text = true});
  const Reply reply = Get("/latest/meta-data/id", "Accept: application/json\r\n");
  EXPECT_EQ(reply.body, "i-1");
  EXPECT_TRUE(reply.Says("Content-Type: text/plain"));
}

TEST_F(Version2Test, MetadataNeedAGoodToken) {
  Reply reply = Get("/latest/meta-data/id");
  EXPECT_EQ(reply.status(), "HTTP/1.1 401 ");
  EXPECT_EQ(reply.body,
            "No MMDS token provided. Use `X-metadata-token` or `X-aws-ec2-metadata-token` header "
            "to specify the session token.");
  EXPECT_EQ(metadata_.metrics.rx_no_token.value(), 1U);
  for (const std::string_view token :
       {"", "foo", "00000000000000000000000000000000", "0000000000000000000000000000000g"}) {
    reply = Get("/latest/meta-data/id", Concat("X-metadata-token: ", token, "\r\n"));
    EXPECT_EQ(reply.status(), "HTTP/1.1 401 ");
    EXPECT_EQ(reply.body, "MMDS token not valid.");
  }
  EXPECT_EQ(metadata_.metrics.rx_invalid_token.value(), 4U);
  const std::string token = Token();
  for (const std::string_view name :
       {"X-metadata-token", "x-metadata-TOKEN", "X-aws-ec2-metadata-token"}) {
    EXPECT_EQ(Get("/latest/meta-data/id", Concat(name, ": ", token, "\r\n")).body, "i-1") << name;
  }
}

TEST_F(Version2Test, ATokenIsGoodForItsLifetime) {
  const std::string field = Concat("X-metadata-token: ", Token(2), "\r\n");
  clock_.Advance(std::chrono::milliseconds(1999));
  EXPECT_EQ(Get("/", field).status(), "HTTP/1.1 200 ");
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(Get("/", field).body, "MMDS token not valid.");
}

TEST_F(Version2Test, ATokenComesWithItsLifetimeUnderTheNameItWasAskedBy) {
  for (const std::string_view name :
       {"X-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token-ttl-seconds"}) {
    const Reply reply = PutToken(Concat(name, ": 21600\r\n"));
    EXPECT_EQ(reply.status(), "HTTP/1.1 200 ");
    EXPECT_TRUE(reply.Says(Concat(name, ": 21600")));
    EXPECT_TRUE(reply.Says("Content-Type: text/plain"));
    EXPECT_EQ(reply.body.size(), 32U);
  }
  EXPECT_EQ(
      Ask("PUT //latest///api/token HTTP/1.1", "X-metadata-token-ttl-seconds: 1\r\n").status(),
      "HTTP/1.1 200 ");
}

TEST_F(Version2Test, ALifetimeMustBeThereAndInRange) {
  Reply reply = PutToken("");
  EXPECT_EQ(reply.status(), "HTTP/1.1 400 ");
  EXPECT_EQ(reply.body,
            "Token time to live value not found. Use `X-metadata-token-ttl-seconds` or "
            "`X-aws-ec2-metadata-token-ttl-seconds` header to specify the token's lifetime.");
  for (const uint32_t seconds : {0U, 21601U, 4294967295U}) {
    reply = PutToken(Concat("X-metadata-token-ttl-seconds: ", seconds, "\r\n"));
    EXPECT_EQ(reply.status(), "HTTP/1.1 400 ");
    EXPECT_EQ(reply.body, Concat("Invalid time to live value provided for token: ", seconds,
                                 ". Please provide a value between 1 and 21600."));
  }
  for (const std::string_view value : {"", "x", "-1", "1s", "4294967296"}) {
    reply = PutToken(Concat("X-metadata-token-ttl-seconds: ", value, "\r\n"));
    EXPECT_EQ(reply.status(), "HTTP/1.1 400 ");
    EXPECT_EQ(reply.body, Concat("Invalid header. Reason: Invalid value. "
                                 "Key:X-metadata-token-ttl-seconds; Value:",
                                 value));
  }
}

TEST_F(Version2Test, AProxyGetsNoToken) {
  const Reply reply = Ask("PUT / HTTP/1.1", "X-Forwarded-For: foo\r\n");
  EXPECT_EQ(reply.status(), "HTTP/1.1 400 ");
  EXPECT_EQ(reply.body, "Invalid header. Reason: Unsupported header name. Key: X-Forwarded-For");
}

TEST_F(Version2Test, OnlyTokensCanBePut) {
  const Reply reply = Ask("PUT /latest/api/toke HTTP/1.1", "X-metadata-token-ttl-seconds: 1\r\n");
  EXPECT_EQ(reply.status(), "HTTP/1.1 404 ");
  EXPECT_EQ(reply.body, "Resource not found: /latest/api/toke.");
}

TEST(TokenTableTest, IsBoundedAndForgetsFirstWhatExpiresFirst) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  TokenTable table(FillFromKernel);
  const std::string brief = table.Make(seconds(10), nanoseconds(0));
  const std::string lasting = table.Make(seconds(1000), nanoseconds(0));
  for (size_t i = 2; i < TokenTable::kMaxTokens; ++i) table.Make(seconds(100), nanoseconds(0));
  EXPECT_TRUE(table.IsGood(brief, seconds(1)));
  const std::string one_more = table.Make(seconds(100), seconds(1));
  EXPECT_FALSE(table.IsGood(brief, seconds(1)));
  EXPECT_TRUE(table.IsGood(lasting, seconds(1)));
  EXPECT_TRUE(table.IsGood(one_more, seconds(1)));
  // What has expired makes room before anything else.
  const std::string late = table.Make(seconds(1), seconds(200));
  EXPECT_TRUE(table.IsGood(late, seconds(200)));
  EXPECT_TRUE(table.IsGood(lasting, seconds(200)));
  EXPECT_FALSE(table.IsGood(one_more, seconds(200)));
}

TEST(TokenTableTest, OfACopyKnowsNoTokenOfItsOriginal) {
  TokenTable original(FillFromKernel);
  const TokenTable copy(FillFromKernel);
  const std::string token = original.Make(std::chrono::seconds(60), {});
  EXPECT_TRUE(original.IsGood(token, {}));
  EXPECT_FALSE(copy.IsGood(token, {}));
}

}  // namespace
}  // namespace ember::mmds
