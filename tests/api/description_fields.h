#ifndef EMBER_TESTS_API_DESCRIPTION_FIELDS_H_
#define EMBER_TESTS_API_DESCRIPTION_FIELDS_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "tests/api/description.h"

namespace ember::api {

// The names between backquotes behind "expected", in an error of the server.
std::set<std::string> QuotedNames(std::string_view error);

// Compares the schema of a request's body with what the server reads, field by field and in what is
// nested in them: which there are, which must be there, which may be null, of what type, with which
// names. Bounds within a type are not its matter (tests/api/fields_test.py).
class FieldsProbe {
 public:
  // Sends a body and returns the answer's.
  using Send = std::function<std::string(const Json& body)>;

  FieldsProbe(const Description& description, const Operation& operation, Send send)
      : description_(description), operation_(operation), send_(std::move(send)) {}

  // Fails the test for each difference.
  void Check() const;

 private:
  using Pointer = Json::json_pointer;

  // `schema` is of the object that the example has at `at`.
  void CheckObject(const Json& schema, const Pointer& at) const;
  void CheckNames(const Json& schema, const Pointer& at) const;
  void CheckAbsentAndNull(const Json& schema, const Pointer& at, const std::string& name) const;
  void CheckType(const Json& schema, const Pointer& at, const std::string& name) const;
  void CheckInteger(const Json& schema, const Pointer& at, std::string_view expected) const;
  void CheckVariants(const Json& schema, const Pointer& at) const;
  void CheckInside(const Json& schema, const Pointer& at) const;

  bool MustHave(const Json& schema, const Json& object, const std::string& name) const;
  // What the server finds wrong with the example with `value` at `at`; empty where it reads it.
  std::string FaultWith(const Pointer& at, const Json& value) const;
  std::string FaultWithout(const Pointer& at, const std::string& name) const;
  std::string Fault(const Json& body) const;
  std::string Where(const Pointer& at) const;

  const Description& description_;
  const Operation& operation_;
  const Send send_;
};

}  // namespace ember::api

#endif  // EMBER_TESTS_API_DESCRIPTION_FIELDS_H_
