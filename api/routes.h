#ifndef EMBER_API_ROUTES_H_
#define EMBER_API_ROUTES_H_

#include <string_view>
#include <vector>

#include "api/message.h"

namespace ember::api {

// A row of the router's table. Where the path ends in '/' and is more than that, an id follows.
struct RouteRow {
  Method method;
  std::string_view path;
};

// Every request that is served, for who compares them with their description. Any thread.
std::vector<RouteRow> RouteRows();

}  // namespace ember::api

#endif  // EMBER_API_ROUTES_H_
