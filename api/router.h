#ifndef EMBER_API_ROUTER_H_
#define EMBER_API_ROUTER_H_

#include <string>

#include "api/message.h"
#include "vmm/controller.h"

namespace ember::api {

// Turns requests into actions and their outcomes into answers, whatever carries them. The API's
// thread.
class Router {
 public:
  // The controller must outlive the router. `id` is the machine's.
  Router(vmm::Controller& controller, std::string id);

  // Answers the request, waiting for its action.
  Response Handle(const Request& request);

 private:
  Response Get(const Request& request);
  Response Change(const Request& request);

  vmm::Controller& controller_;
  const std::string id_;
};

}  // namespace ember::api

#endif  // EMBER_API_ROUTER_H_
