#include "tests/api/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "api/routes.h"
#include "base/concat.h"
#include "tests/api/api_fixture.h"
#include "tests/api/description_fields.h"

// docs/api/openapi.json against the server: neither may have what the other has not. What the
// server reads is learnt from its answers, whose errors name what it expects.
namespace ember::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kOnlyBefore =
    "The requested operation is not supported after starting the microVM.";
constexpr std::string_view kOnlyPaused = "save/restore unavailable while running";
constexpr std::string_view kOnlyAfter =
    "The requested operation is not supported before starting the microVM.";

std::string_view NameOf(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      break;
  }
  return "?";
}

class DescriptionTest : public ServedApiTest {
 protected:
  Reply Send(const Operation& operation, const Json& body) {
    const bool has_body = operation.body_schema() != nullptr;
    return Call(operation.method, operation.target(), has_body ? body.dump() : "");
  }
  // Each operation must be refused for its phase, or not, as it is described.
  void CheckPhase(std::string_view phase, std::string_view refusal) {
    for (const Operation& operation : description_.operations()) {
      if (operation.path == "/actions") continue;  // by action, below
      const std::string answer = Send(operation, operation.body_example()).body;
      if (operation.IsFor(phase)) {
        EXPECT_THAT(answer, Not(HasSubstr(refusal))) << operation.name();
      } else {
        const bool waits = phase == "Running" && operation.IsFor("Paused");
        EXPECT_THAT(answer, HasSubstr(waits ? kOnlyPaused : refusal)) << operation.name();
      }
    }
  }
  // The same for the actions of PUT /actions, but for the start.
  void CheckActions(std::string_view phase, std::string_view refusal) {
    for (const Operation& operation : description_.operations()) {
      if (operation.path != "/actions") continue;
      const Json& field =
          description_.Resolve(*operation.body_schema())["properties"]["action_type"];
      for (const auto& [action, phases] : field["x-ember-phases-of"].items()) {
        if (action == "InstanceStart" && phase == "NotStarted") continue;
        const std::string answer = Send(operation, {{"action_type", action}}).body;
        EXPECT_EQ(answer.find(refusal) == std::string::npos, Contains(phases, phase))
            << action << ": " << answer;
      }
    }
  }

  const Description description_;
};

TEST_F(DescriptionTest, EveryRouteIsDescribedAndEveryDescribedRequestHasARoute) {
  std::set<std::string> routes, described;
  for (const RouteRow& row : RouteRows()) {
    routes.insert(Concat(NameOf(row.method), " ", row.path));
  }
  for (const Operation& operation : description_.operations()) {
    described.insert(Concat(operation.method, " ", operation.route()));
  }
  EXPECT_EQ(described, routes) << "docs/api/openapi.json is to describe what api/router.cc routes";
}

TEST_F(DescriptionTest, QueryParametersAreThoseThatTheServerTakes) {
  for (const Operation& operation : description_.operations()) {
    std::set<std::string> described;
    for (const Json& parameter : operation.described->value("parameters", Json::array())) {
      if (parameter["in"] == "query") described.insert(parameter["name"]);
    }
    if (operation.method != "GET") {
      EXPECT_TRUE(described.empty()) << operation.name();
      continue;
    }
    const std::string answer = Call("GET", Concat(operation.path, "?no_such_parameter=1")).body;
    if (described.empty()) {
      EXPECT_THAT(answer, HasSubstr("Invalid request method and/or path")) << operation.name();
    } else {
      EXPECT_THAT(answer, HasSubstr("unknown query parameter `no_such_parameter`"));
      EXPECT_EQ(QuotedNames(answer), described) << operation.name();
    }
  }
}

TEST_F(DescriptionTest, BodiesHaveTheFieldsThatTheServerReads) {
  for (const Operation& operation : description_.operations()) {
    if (operation.body_schema() == nullptr) continue;
    const FieldsProbe probe(description_, operation,
                            [&](const Json& body) { return Send(operation, body).body; });
    probe.Check();
  }
}

TEST_F(DescriptionTest, PhasesAreThoseThatTheServerKeepsTo) {
  CheckPhase("NotStarted", kOnlyAfter);
  CheckActions("NotStarted", kOnlyAfter);
  StartMachine();
  CheckPhase("Running", kOnlyBefore);
  CheckActions("Running", kOnlyBefore);
}

}  // namespace
}  // namespace ember::api
