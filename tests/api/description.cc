#include "tests/api/description.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include "base/concat.h"

namespace ember::api {
namespace {

bool IsNull(const Json& schema) { return schema.value("type", Json()) == "null"; }

// The alternatives of a schema that is one of several, as anyOf or by its types.
bool HasNull(const Json& alternatives) {
  return std::ranges::any_of(alternatives, [](const Json& each) {
    return each == "null" || (each.is_object() && IsNull(each));
  });
}

}  // namespace

bool Contains(const Json& array, std::string_view text) {
  return std::ranges::any_of(array, [&](const Json& each) { return each == text; });
}

std::string Operation::name() const { return Concat(method, " ", path); }

std::string Operation::route() const { return path.substr(0, path.find('{')); }

std::string Operation::target() const {
  std::string target = route();
  if (target.size() < path.size()) {
    const std::string id = path.substr(target.size() + 1, path.size() - target.size() - 2);
    target += body_example().value(id, "some_id");
  }
  char separator = '?';
  for (const Json& parameter : described->value("parameters", Json::array())) {
    if (parameter["in"] != "query" || !parameter["required"]) continue;
    target += separator;
    target += Concat(parameter["name"].get<std::string>(), "=NotStarted,Running,Paused");
    separator = '&';
  }
  return target;
}

const Json* Operation::body_schema() const {
  if (!described->contains("requestBody")) return nullptr;
  return &described->at("requestBody").at("content").at("application/json").at("schema");
}

Json Operation::body_example() const {
  if (body_schema() == nullptr) return Json::object();
  return described->at("requestBody").at("content").at("application/json").at("example");
}

bool Operation::IsFor(std::string_view phase) const {
  return Contains(described->at("x-ember-phases"), phase);
}

Description::Description() { std::ifstream(EMBER_API_DESCRIPTION) >> json_; }

std::vector<Operation> Description::operations() const {
  std::vector<Operation> operations;
  for (const auto& [path, methods] : json_.at("paths").items()) {
    for (const auto& [method, described] : methods.items()) {
      std::string name = method;
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
      operations.push_back({.method = name, .path = path, .described = &described});
    }
  }
  return operations;
}

const Json& Description::Resolve(const Json& schema) const {
  if (schema.contains("$ref")) {
    return json_.at(Json::json_pointer(schema.at("$ref").get<std::string>().substr(1)));
  }
  if (schema.contains("anyOf") && HasNull(schema.at("anyOf"))) {
    const Json& alternatives = schema.at("anyOf");
    return Resolve(IsNull(alternatives.front()) ? alternatives.back() : alternatives.front());
  }
  return schema;
}

bool Description::MayBeNull(const Json& schema) const {
  if (schema.contains("anyOf")) return HasNull(schema.at("anyOf"));
  const Json type = schema.value("type", Json());
  return type == "null" || (type.is_array() && HasNull(type));
}

std::string Description::TypeOf(const Json& schema) const {
  const Json type = Resolve(schema).value("type", Json(""));
  if (!type.is_array()) return type;
  return *std::find_if(type.begin(), type.end(), [](const Json& each) { return each != "null"; });
}

}  // namespace ember::api
