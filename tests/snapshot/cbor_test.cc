#include "snapshot/cbor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <limits>
#include <string>

namespace ember::snapshot {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> Bytes(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::string DecodeError(const std::vector<std::byte>& bytes) {
  const Result<StateValue> value = DecodeCbor(bytes);
  return value ? "none" : value.error().message();
}

TEST(CborTest, EveryKindComesBackAsItWas) {
  const StateValue value{StateValue::Map{
      {.name = "bytes", .value = {StateValue::Bytes(300, std::byte{0xa5})}},
      {.name = "empty", .value = {StateValue::List{}}},
      {.name = "list",
       .value = {StateValue::List{{uint64_t{0}},
                                  {uint64_t{24}},
                                  {std::numeric_limits<uint64_t>::max()},
                                  {false},
                                  {true}}}},
      {.name = "map", .value = {StateValue::Map{}}},
      {.name = "text", .value = {std::string("snow \xe2\x9d\x84")}},
  }};
  const Result<StateValue> back = DecodeCbor(EncodeCbor(value));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, value);
}

// RFC 8949, appendix A.
TEST(CborTest, BytesAreThoseOfTheStandard) {
  EXPECT_EQ(EncodeCbor({uint64_t{1000}}), Bytes({0x19, 0x03, 0xe8}));
  EXPECT_EQ(EncodeCbor({StateValue::Bytes(Bytes({1, 2, 3, 4}))}), Bytes({0x44, 1, 2, 3, 4}));
  EXPECT_EQ(EncodeCbor({std::string("IETF")}), Bytes({0x64, 0x49, 0x45, 0x54, 0x46}));
  EXPECT_EQ(EncodeCbor({true}), Bytes({0xf5}));
}

TEST(CborTest, MembersAreInTheOrderOfTheirNames) {
  const StateValue::Member a{.name = "a", .value = {uint64_t{1}}};
  const StateValue::Member b{.name = "b", .value = {uint64_t{2}}};
  EXPECT_EQ(EncodeCbor({StateValue::Map{a, b}}), EncodeCbor({StateValue::Map{b, a}}));
}

TEST(CborTest, WhatNoStateHoldsIsRefused) {
  EXPECT_THAT(DecodeError(Bytes({0xf6})), HasSubstr("a null"));
  EXPECT_THAT(DecodeError(Bytes({0x20})), HasSubstr("a negative number"));
  EXPECT_THAT(DecodeError(Bytes({0xf9, 0x3c, 0})), HasSubstr("a fractional number"));
  EXPECT_THAT(DecodeError(Bytes({0xc1, 0})), HasSubstr("a malformed item at byte 1"));
  EXPECT_THAT(DecodeError(Bytes({0xff})), HasSubstr("a malformed item"));
}

TEST(CborTest, NothingAndTooMuchAreRefused) {
  EXPECT_THAT(DecodeError({}), HasSubstr("a malformed item"));
  EXPECT_THAT(DecodeError(Bytes({0x01, 0x01})), HasSubstr("a malformed item at byte 2"));
  EXPECT_THAT(DecodeError(Bytes({0x44, 1, 2, 3})), HasSubstr("a malformed item"));
}

TEST(CborTest, ANameTwiceInAMapIsRefused) {
  EXPECT_EQ(DecodeError(Bytes({0xa2, 0x61, 'a', 1, 0x61, 'a', 2})),
            "the state holds two members `a`");
}

TEST(CborTest, ALengthBeyondTheInputIsRefusedAndNotAllocated) {
  EXPECT_THAT(DecodeError(Bytes({0x5b, 0x7f, 255, 255, 255, 255, 255, 255, 255})),
              HasSubstr("a malformed item"));
  EXPECT_THAT(DecodeError(Bytes({0x9b, 0x7f, 255, 255, 255, 255, 255, 255, 255})),
              HasSubstr("a malformed item"));
}

TEST(CborTest, DeepNestingIsRefusedBeforeItCostsStack) {
  EXPECT_EQ(DecodeError(std::vector<std::byte>(size_t{1} << 20, std::byte{0x81})),
            "the state holds more than 16 levels of nesting");
  EXPECT_EQ(DecodeError(std::vector<std::byte>(size_t{1} << 20, std::byte{0x9f})),
            "the state holds more than 16 levels of nesting");
}

TEST(CborTest, TooManyValuesAreRefused) {
  std::vector<std::byte> bytes(kMaxStateValues + 8, std::byte{0});
  bytes[0] = std::byte{0x9f};  // a list whose end is yet to come
  EXPECT_EQ(DecodeError(bytes), "the state holds more than 1048576 values");
}

}  // namespace
}  // namespace ember::snapshot
