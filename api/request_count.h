#ifndef EMBER_API_REQUEST_COUNT_H_
#define EMBER_API_REQUEST_COUNT_H_

#include "api/endpoints/endpoint.h"
#include "api/message.h"
#include "vmm/metrics/control_metrics.h"

namespace ember::api {

// Counts a request to the path of a route, and says where its outcome is to be counted. The
// contract has counters for some paths only.
Tally CountRequest(Method method, std::string_view route_path, vmm::ControlMetrics& metrics);

}  // namespace ember::api

#endif  // EMBER_API_REQUEST_COUNT_H_
