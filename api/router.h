#ifndef EMBER_API_ROUTER_H_
#define EMBER_API_ROUTER_H_

#include <memory>
#include <string>
#include <utility>

#include "api/endpoints/endpoint.h"
#include "api/message.h"
#include "api/waker.h"
#include "vmm/controller.h"

namespace ember::api {

// Knows which endpoint a request is for (the table is in router.cc). The API's thread.
class Router {
 public:
  // The controller must outlive the router. `instance_id` is the machine's.
  Router(vmm::Controller& controller, std::string instance_id)
      : controller_(controller), instance_id_(std::move(instance_id)) {}

  // The answer, or what must be done before there is one.
  Outcome Handle(const Request& request) const;

  // Whether a request may come with descriptors now: while the process waits for a machine.
  bool takes_descriptors() const {
    return controller_.snapshot()->state == vmm::MachineState::kNotStarted;
  }

  // Who is told when late answers and streams should be looked at.
  const std::shared_ptr<Waker>& waker() const { return waker_; }

 private:
  vmm::Controller& controller_;
  const std::string instance_id_;
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  mutable std::weak_ptr<SurveyUnderWay> survey_;
};

}  // namespace ember::api

#endif  // EMBER_API_ROUTER_H_
