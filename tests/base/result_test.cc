#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "base/concat.h"

namespace ember {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return Error(Concat(value, " is odd"));
  return value / 2;
}

Result<int> Quarter(int value) {
  const int half = TRY(Half(value));
  return TRY_CONTEXT(Half(half), "second half");
}

Status CheckEven(int value) {
  TRY(Half(value));
  return {};
}

Result<std::unique_ptr<int>> MoveThrough(std::unique_ptr<int> value) {
  Result<std::unique_ptr<int>> result = std::move(value);
  std::unique_ptr<int> inner = TRY(std::move(result));
  TRY(CheckEven(*inner));
  return inner;
}

TEST(ResultTest, TryGivesTheValue) { EXPECT_EQ(Quarter(12).value(), 3); }

TEST(ResultTest, TryReturnsTheErrorUnchanged) {
  EXPECT_EQ(Quarter(7).error().message(), "7 is odd");
}

TEST(ResultTest, TryContextPutsTheContextBeforeTheError) {
  EXPECT_EQ(Quarter(6).error().message(), "second half: 3 is odd");
}

TEST(ResultTest, TryTakesAStatus) {
  EXPECT_EQ(MoveThrough(std::make_unique<int>(3)).error().message(), "3 is odd");
}

TEST(ResultTest, TryMovesWhatCannotBeCopied) {
  EXPECT_EQ(*MoveThrough(std::make_unique<int>(4)).value(), 4);
}

TEST(ErrorTest, FromErrnoNamesOperationPathAndReason) {
  errno = ENOENT;
  const Error error = Error::FromErrno("open", "/no/such");
  EXPECT_EQ(error.message(), "open /no/such: No such file or directory");
  EXPECT_EQ(error.error_number(), ENOENT);
}

TEST(ErrorTest, ContextKeepsTheErrorNumber) {
  const Error error = Error::FromErrorNumber("mmap", ENOMEM).WithContext("guest memory");
  EXPECT_EQ(error.message(), "guest memory: mmap: Cannot allocate memory");
  EXPECT_EQ(error.error_number(), ENOMEM);
}

TEST(ErrorTest, ErrorThatIsNotOfTheHostHasNoErrorNumber) {
  EXPECT_EQ(Error("count 3 exceeds the limit 2").error_number(), 0);
}

enum class Address : uint64_t {};

TEST(ConcatTest, TextStaysTextWhateverItsType) {
  const char* const pointer = "pointer";
  EXPECT_EQ(Concat("literal ", pointer, ' ', std::string("string"), std::string_view(" view")),
            "literal pointer string view");
}

TEST(ConcatTest, IntegersAreDecimalUpToTheirLimits) {
  EXPECT_EQ(Concat(INT64_MIN, " ", UINT64_MAX, " ", uint8_t{65}),
            "-9223372036854775808 18446744073709551615 65");
}

TEST(ConcatTest, AddressesAndHexAreHexadecimal) {
  EXPECT_EQ(Concat(Address{0xfee00000}, " ", Hex{UINT64_MAX}), "0xfee00000 0xffffffffffffffff");
}

TEST(ConcatTest, BoolsAreWords) { EXPECT_EQ(Concat(true, ",", false), "true,false"); }

}  // namespace
}  // namespace ember
