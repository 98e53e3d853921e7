#include "api/router.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/endpoints/endpoints.h"
#include "api/request_count.h"
#include "api/routes.h"
#include "base/concat.h"

namespace ember::api {
namespace {

// The contract's paths take no query: with one they are other paths, which nobody serves.
enum class QueryRule : uint8_t { kNone, kOptional };

// One row for each method of each path. Where a path ends in '/', an id follows.
struct Route {
  constexpr Route(Method on, std::string_view at, Endpoint calls, QueryRule rule = QueryRule::kNone)
      : path(at), endpoint(calls), method(on), query(rule) {}

  std::string_view path;
  Endpoint endpoint;
  Method method;
  QueryRule query;
};

constexpr Route kRoutes[] = {
    {Method::kGet, "/", GetInstance},
    {Method::kPut, "/actions", PutActions},
    {Method::kGet, "/balloon", GetBalloon},
    {Method::kPut, "/balloon", PutBalloon},
    {Method::kPatch, "/balloon", PatchBalloon},
    {Method::kPatch, "/balloon/hinting/start", PatchBalloonHintingStart},
    {Method::kGet, "/balloon/hinting/status", GetBalloonHintingStatus},
    {Method::kPatch, "/balloon/hinting/stop", PatchBalloonHintingStop},
    {Method::kGet, "/balloon/statistics", GetBalloonStatistics},
    {Method::kPatch, "/balloon/statistics", PatchBalloonStatistics},
    {Method::kPut, "/boot-source", PutBootSource},
    {Method::kGet, "/console", GetConsole, QueryRule::kOptional},
    {Method::kPut, "/console", PutConsole},
    {Method::kPatch, "/console", PatchConsole},
    {Method::kPut, "/cpu-config", PutCpuConfig},
    {Method::kPut, "/drives/", PutDrive},
    {Method::kPatch, "/drives/", PatchDrive},
    {Method::kDelete, "/drives/", DeleteDevice},
    {Method::kPut, "/entropy", PutEntropy},
    {Method::kGet, "/events", GetEvents, QueryRule::kOptional},
    {Method::kPut, "/fork", PutFork},
    {Method::kPut, "/fork/receive", PutForkReceive},
    {Method::kGet, "/health", GetHealth, QueryRule::kOptional},
    {Method::kGet, "/hotplug/memory", GetMemoryHotplug},
    {Method::kPut, "/hotplug/memory", PutMemoryHotplug},
    {Method::kPatch, "/hotplug/memory", PatchMemoryHotplug},
    {Method::kPut, "/lifecycle", PutLifecycle},
    {Method::kGet, "/log", GetLog, QueryRule::kOptional},
    {Method::kPut, "/logger", PutLogger},
    {Method::kGet, "/machine-config", GetMachineConfig},
    {Method::kPut, "/machine-config", PutMachineConfig},
    {Method::kPatch, "/machine-config", PatchMachineConfig},
    {Method::kGet, "/mmds", GetMmds},
    {Method::kPut, "/mmds", PutMmds},
    {Method::kPatch, "/mmds", PatchMmds},
    {Method::kPut, "/mmds/config", PutMmdsConfig},
    {Method::kGet, "/memory", GetMemory},
    {Method::kGet, "/metrics", GetMetrics},
    {Method::kPut, "/metrics", PutMetrics},
    {Method::kPut, "/pmem/", PutPmem},
    {Method::kPatch, "/pmem/", PatchPmem},
    {Method::kDelete, "/pmem/", DeleteDevice},
    {Method::kPut, "/network-interfaces/", PutNetworkInterface},
    {Method::kPatch, "/network-interfaces/", PatchNetworkInterface},
    {Method::kDelete, "/network-interfaces/", DeleteDevice},
    {Method::kPut, "/serial", PutSerial},
    {Method::kPut, "/snapshot/create", PutSnapshotCreate},
    {Method::kPut, "/snapshot/load", PutSnapshotLoad},
    {Method::kPut, "/snapshot/working-set", PutSnapshotWorkingSet},
    {Method::kGet, "/version", GetVersion},
    {Method::kPatch, "/vm", PatchVm},
    {Method::kGet, "/vm/config", GetVmConfig},
    {Method::kPut, "/vsock", PutVsock},
    {Method::kGet, "/wait", GetWait, QueryRule::kOptional},
};

// PATCH requests that may come without a body.
constexpr std::string_view kNeedNoBody[] = {"/balloon/hinting/start", "/balloon/hinting/stop"};

// The id in `path`, empty where the route has none; nothing where it is another route's path.
std::optional<std::string_view> Match(const Route& route, std::string_view path) {
  const bool takes_id = route.path.size() > 1 && route.path.ends_with('/');
  if (!takes_id) {
    if (path != route.path) return std::nullopt;
    return std::string_view();
  }
  if (!path.starts_with(route.path)) return std::nullopt;
  const std::string_view id = path.substr(route.path.size());
  if (id.find('/') != std::string_view::npos) return std::nullopt;
  return id;
}

struct Target {
  std::string_view path;
  std::string_view query;
};

Target Split(std::string_view path, QueryRule rule) {
  const size_t mark = path.find('?');
  if (rule == QueryRule::kNone || mark == std::string_view::npos)
    return {.path = path, .query = {}};
  return {.path = path.substr(0, mark), .query = path.substr(mark + 1)};
}

// The contract looks at this before it looks at the path.
std::optional<Response> CheckBody(const Request& request) {
  const bool empty = request.body.empty();
  if (request.method == Method::kGet && !empty) return Fault("GET request cannot have a body.");
  if (request.method == Method::kPut && empty) return Fault("Empty PUT request.");
  const bool needs_none = std::ranges::find(kNeedNoBody, request.path) != std::end(kNeedNoBody);
  if (request.method == Method::kPatch && empty && !needs_none)
    return Fault("Empty PATCH request.");
  return std::nullopt;
}

// Where it is written down how long an action took; null: nowhere.
Gauge* LatencyOf(const vmm::Action& action, vmm::LatencyMetrics& latencies) {
  if (std::holds_alternative<vmm::PauseVm>(action)) return &latencies.pause_vm;
  if (std::holds_alternative<vmm::ResumeVm>(action)) return &latencies.resume_vm;
  if (std::holds_alternative<vmm::LoadSnapshot>(action)) return &latencies.load_snapshot;
  const auto* const create = std::get_if<vmm::CreateSnapshot>(&action);
  if (create == nullptr) return nullptr;
  return create->creation.snapshot_type == vmm::SnapshotType::kDiff
             ? &latencies.diff_create_snapshot
             : &latencies.full_create_snapshot;
}

// The answer, or the action with where its outcome is counted.
Outcome Counted(Result<Outcome> outcome, Tally tally, vmm::ControlMetrics& metrics) {
  if (!outcome) {
    if (tally.fails != nullptr) tally.fails->Add();
    return Fault(outcome.error().message());
  }
  if (const auto* response = std::get_if<Response>(&*outcome)) {
    if (response->status >= HttpStatus::kBadRequest && tally.fails != nullptr) tally.fails->Add();
    if (response->deprecated) metrics.deprecated_api.deprecated_http_api_calls.Add();
  }
  if (auto* call = std::get_if<ActionCall>(&*outcome)) {
    if (call->deprecated) metrics.deprecated_api.deprecated_http_api_calls.Add();
    tally.latency_us = LatencyOf(call->action, metrics.latencies);
    call->tally = tally;
  }
  return *std::move(outcome);
}

}  // namespace

std::vector<RouteRow> RouteRows() {
  std::vector<RouteRow> rows;
  for (const Route& route : kRoutes) rows.push_back({.method = route.method, .path = route.path});
  return rows;
}

Outcome Router::Handle(const Request& request) const {
  if (std::optional<Response> fault = CheckBody(request)) return *std::move(fault);
  vmm::ControlMetrics& metrics = controller_.metrics();
  for (const Route& route : kRoutes) {
    if (route.method != request.method) continue;
    const Target target = Split(request.path, route.query);
    const std::optional<std::string_view> id = Match(route, target.path);
    if (!id) continue;
    const auto now = controller_.snapshot();
    Result<Outcome> outcome = route.endpoint({.id = *id,
                                              .body = request.body,
                                              .machine = *now,
                                              .metadata = controller_.metadata(),
                                              .instance_id = instance_id_,
                                              .query = target.query,
                                              .upgrade = request.upgrade,
                                              .controller = controller_,
                                              .waker = waker_,
                                              .survey = survey_,
                                              .descriptors = request.descriptors});
    return Counted(std::move(outcome), CountRequest(route.method, route.path, metrics), metrics);
  }
  return Fault(
      Concat("Invalid request method and/or path: ", request.method_name, " ", request.path, "."));
}

}  // namespace ember::api
