#ifndef EMBER_API_LATE_ANSWER_H_
#define EMBER_API_LATE_ANSWER_H_

#include <chrono>
#include <optional>

#include "api/message.h"

namespace ember::api {

// An answer that is not there yet. The server looks at it when it is asked for, whenever somebody
// wakes it (Waker), and at the time that the answer names; it holds up no other client. Destroyed
// early where its client goes. The API's thread.
class LateAnswer {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~LateAnswer() = default;
  // The answer, once. Never waits.
  virtual std::optional<Response> Look(TimePoint now) = 0;
  // The machine ends with this process: the answer, whatever it is.
  virtual Response LookLast(TimePoint now) = 0;
  // When to look again at the latest.
  virtual TimePoint next_look() const = 0;
};

}  // namespace ember::api

#endif  // EMBER_API_LATE_ANSWER_H_
