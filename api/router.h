#ifndef EMBER_API_ROUTER_H_
#define EMBER_API_ROUTER_H_

#include <string>
#include <utility>

#include "api/endpoints/endpoint.h"
#include "api/message.h"
#include "vmm/controller.h"

namespace ember::api {

// Knows which endpoint a request is for (the table is in router.cc). The API's thread.
class Router {
 public:
  // The controller must outlive the router. `instance_id` is the machine's.
  Router(const vmm::Controller& controller, std::string instance_id)
      : controller_(controller), instance_id_(std::move(instance_id)) {}

  // The answer, or what must be done before there is one.
  Outcome Handle(const Request& request) const;

 private:
  const vmm::Controller& controller_;
  const std::string instance_id_;
};

}  // namespace ember::api

#endif  // EMBER_API_ROUTER_H_
