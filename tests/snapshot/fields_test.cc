#include "snapshot/fields.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/snapshot/sample_state.h"

namespace ember::snapshot::testing {
namespace {

// The member of a map, to be changed.
StateValue& At(StateValue& tree, std::string_view name) {
  for (auto& member : std::get<StateValue::Map>(tree.value)) {
    if (member.name == name) return member.value;
  }
  ADD_FAILURE() << "no member " << name;
  return tree;
}

void Remove(StateValue& tree, std::string_view name) {
  std::erase_if(std::get<StateValue::Map>(tree.value),
                [name](const StateValue::Member& member) { return member.name == name; });
}

// What is said of a sample that was changed.
std::string ErrorAfter(const std::function<void(StateValue&)>& change) {
  StateValue tree = ToTree(Sample());
  change(tree);
  const Result<SampleState> state = FromTree<SampleState>(tree, 2);
  return state ? "none" : state.error().message();
}

TEST(FieldsTest, AStructureComesBackAsItWas) {
  const Result<SampleState> back = FromTree<SampleState>(ToTree(Sample()), 2);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, Sample());
}

TEST(FieldsTest, AnEmptyOptionalIsNotInTheTree) {
  SampleState state = Sample();
  state.limit.reset();
  const StateValue tree = ToTree(state);
  EXPECT_EQ(tree.Find("limit"), nullptr);
  EXPECT_EQ(*FromTree<SampleState>(tree, 2), state);
}

TEST(FieldsTest, AFieldThatIsMissingIsNamed) {
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { Remove(tree, "count"); }), "count: missing");
  EXPECT_EQ(ErrorAfter([](StateValue& tree) {
              Remove(std::get<StateValue::List>(At(tree, "parts").value)[1], "ready");
            }),
            "parts[1].ready: missing");
}

TEST(FieldsTest, AFieldThatNobodyKnowsIsNamed) {
  EXPECT_EQ(ErrorAfter([](StateValue& tree) {
              std::get<StateValue::Map>(tree.value).push_back({.name = "more", .value = {true}});
            }),
            "more: unknown");
}

TEST(FieldsTest, AFieldOfAnotherKindIsNamedWithBothKinds) {
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "count") = {true}; }),
            "count: is a truth value, not a number");
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "name") = {uint64_t{1}}; }),
            "name: is a number, not text");
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "blob") = {std::string("x")}; }),
            "blob: is text, not bytes");
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "parts") = {StateValue::Map{}}; }),
            "parts: is a map, not a list");
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { tree = {StateValue::List{}}; }),
            "is a list, not a map");
}

TEST(FieldsTest, ANumberThatDoesNotFitIsNamedWithItsLimit) {
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "mood") = {uint64_t{2}}; }),
            "mood: 2 exceeds the limit 1");
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "limit") = {uint64_t{1} << 32}; }),
            "limit: 4294967296 exceeds the limit 4294967295");
}

TEST(FieldsTest, BytesOfAnotherLengthAreNamedWithBothLengths) {
  EXPECT_EQ(ErrorAfter([](StateValue& tree) { At(tree, "id") = {StateValue::Bytes(5)}; }),
            "id: is 5 bytes, not 4");
}

TEST(FieldsTest, AFieldOfALaterVersionKeepsItsDefaultInAnOlderFile) {
  StateValue tree = ToTree(Sample());
  Remove(tree, "weight");
  const Result<SampleState> old = FromTree<SampleState>(tree, 1);
  ASSERT_TRUE(old) << old.error().message();
  EXPECT_EQ(old->weight, SampleState().weight);
  EXPECT_EQ(ErrorAfter([](StateValue& now) { Remove(now, "weight"); }), "weight: missing");
}

TEST(FieldsTest, AFieldOfALaterVersionIsUnknownToAnOlderFile) {
  const Result<SampleState> old = FromTree<SampleState>(ToTree(Sample()), 1);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().message(), "weight: unknown");
}

}  // namespace
}  // namespace ember::snapshot::testing
