#ifndef EMBER_TESTS_API_DESCRIPTION_H_
#define EMBER_TESTS_API_DESCRIPTION_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ember::api {

using Json = nlohmann::json;

// Whether an array has the text.
bool Contains(const Json& array, std::string_view text);

// One method of one path in docs/api/openapi.json. Borrows from its Description.
struct Operation {
  std::string method;  // "PUT"
  std::string path;    // as described: "/drives/{drive_id}"
  const Json* described;

  // "PUT /drives/{drive_id}".
  std::string name() const;
  // The path as the router's table has it: "/drives/".
  std::string route() const;
  // A path to send: with the example's id, and every query parameter that is required.
  std::string target() const;
  // Of the body, or null where the request has none.
  const Json* body_schema() const;
  Json body_example() const;
  bool IsFor(std::string_view phase) const;
};

// The API's description, as it is in the tree.
class Description {
 public:
  // Throws where the file cannot be read.
  Description();

  std::vector<Operation> operations() const;
  // The schema that `schema` refers to, or itself; of one that may be null too, the other.
  const Json& Resolve(const Json& schema) const;
  bool MayBeNull(const Json& schema) const;
  // "string", "integer", …; "null" where it can be nothing else, empty where it can be anything.
  std::string TypeOf(const Json& schema) const;

 private:
  Json json_;
};

}  // namespace ember::api

#endif  // EMBER_TESTS_API_DESCRIPTION_H_
