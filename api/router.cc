#include "api/router.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "vmm/config_json.h"

namespace ember::api {
namespace {

using vmm::Action;

// What a client of the contract knows the states by.
std::string_view Name(vmm::MachineState state) {
  switch (state) {
    case vmm::MachineState::kNotStarted:
      return "Not started";
    case vmm::MachineState::kRunning:
      return "Running";
    case vmm::MachineState::kPaused:
      break;
  }
  return "Paused";
}

// A path whose requests change something. Where it ends in '/', an id follows.
struct Route {
  Method method;
  std::string_view path;
  Result<Action> (*parse)(std::string_view id, std::string_view body);
};

template <Result<Action> (*parse)(std::string_view body)>
Result<Action> WithoutId(std::string_view /*id*/, std::string_view body) {
  return parse(body);
}

constexpr std::array kRoutes = {
    Route{Method::kPut, "/actions", WithoutId<vmm::ParsePutActions>},
    Route{Method::kPut, "/boot-source", WithoutId<vmm::ParsePutBootSource>},
    Route{Method::kPut, "/drives/", vmm::ParsePutDrive},
    Route{Method::kPut, "/machine-config", WithoutId<vmm::ParsePutMachineConfig>},
    Route{Method::kPatch, "/machine-config", WithoutId<vmm::ParsePatchMachineConfig>},
    Route{Method::kPut, "/serial", WithoutId<vmm::ParsePutSerial>},
    Route{Method::kPatch, "/vm", WithoutId<vmm::ParsePatchVm>},
};

// The id in `path`, empty where the route has none; nothing where it is another route's path.
std::optional<std::string_view> Match(const Route& route, std::string_view path) {
  if (!route.path.ends_with('/')) {
    if (path != route.path) return std::nullopt;
    return std::string_view();
  }
  if (!path.starts_with(route.path)) return std::nullopt;
  const std::string_view id = path.substr(route.path.size());
  if (id.empty() || id.find('/') != std::string_view::npos) return std::nullopt;
  return id;
}

Response UnknownPath(const Request& request) {
  return Fault(
      Concat("Invalid request method and/or path: ", request.method_name, " ", request.path, "."));
}

Response Json(std::string body) { return {HttpStatus::kOk, std::move(body)}; }

}  // namespace

Router::Router(vmm::Controller& controller, std::string id)
    : controller_(controller), id_(std::move(id)) {}

Response Router::Handle(const Request& request) {
  if (request.method == Method::kGet) return Get(request);
  return Change(request);
}

Response Router::Get(const Request& request) {
  if (!request.body.empty()) return Fault("GET request cannot have a body.");
  if (request.path == "/") {
    return Json(Concat("{\"app_name\":\"Ember\",\"id\":", vmm::JsonString(id_), ",\"state\":\"",
                       Name(controller_.state()), "\",\"vmm_version\":\"", EMBER_API_VERSION,
                       "\",\"ember_version\":\"", EMBER_VERSION, "\"}"));
  }
  if (request.path == "/version") {
    return Json(Concat("{\"firecracker_version\":\"", EMBER_API_VERSION, "\"}"));
  }
  if (request.path == "/machine-config") {
    return Json(vmm::ToJson(controller_.snapshot().config.machine));
  }
  if (request.path == "/vm/config") return Json(vmm::ToJson(controller_.snapshot().config));
  return UnknownPath(request);
}

Response Router::Change(const Request& request) {
  for (const Route& route : kRoutes) {
    if (route.method != request.method) continue;
    const auto id = Match(route, request.path);
    if (!id) continue;
    if (request.body.empty()) return Fault(Concat("Empty ", request.method_name, " request."));
    Result<Action> action = route.parse(*id, request.body);
    if (!action) return Fault(action.error().message());
    const Status done = controller_.Perform(std::move(*action));
    if (!done) return Fault(done.error().message());
    return {};
  }
  return UnknownPath(request);
}

}  // namespace ember::api
