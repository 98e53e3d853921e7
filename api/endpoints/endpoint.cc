#include "api/endpoints/endpoint.h"

#include "base/concat.h"
#include "vmm/resource_id.h"

namespace ember::api {

Error BodyError(const Error& error) {
  return Error(Concat(
      "An error occurred when deserializing the json body of a request: ", error.message(), "."));
}

Result<vmm::JsonValue> ParseBody(std::string_view body) {
  Result<vmm::JsonValue> json = vmm::ParseJson(body);
  if (!json) return BodyError(json.error());
  return json;
}

Status CheckIds(std::string_view path_id, std::string_view body_id, std::string_view field) {
  TRY(vmm::ValidateResourceId(path_id));
  if (path_id == body_id) return {};
  return Error(Concat("The id from the path does not match the id from the body! The path says ",
                      path_id, ", ", field, " says ", body_id, "."));
}

}  // namespace ember::api
