#ifndef EMBER_TESTS_API_GUEST_CONSOLE_H_
#define EMBER_TESTS_API_GUEST_CONSOLE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/event_loop.h"
#include "base/event_set.h"
#include "base/thread_annotations.h"
#include "virtio/console/console_port.h"
#include "vmm/action.h"
#include "vmm/reply.h"

namespace ember::api {

// A real console port, and in place of a guest a program that repeats what it is told, or does not
// listen. Made, used and destroyed while the loop does not run, but where it says otherwise.
class GuestConsole {
 public:
  enum class Guest { kEchoes, kDoesNotRead };

  GuestConsole(EventLoop& loop, const std::string& socket_path, Guest guest, size_t log_bytes);

  // What the machine does with an action for the console. The loop thread.
  Result<vmm::Reply> Perform(const vmm::DeviceAction& action);
  // Has the guest write. The loop thread.
  void Write(std::string_view text);

  // Sizes that were given: "port columns x rows". Any thread.
  std::string sizes() const EXCLUDES(mutex_);
  const virtio::ConsoleMetrics& metrics() const { return metrics_; }

 private:
  Result<vmm::Reply> Attach(const vmm::AttachConsole& action);
  void OnEvents();
  void Echo();

  EventLoop& loop_;
  const Guest guest_;
  EventSet events_;
  virtio::ConsoleMetrics metrics_;
  std::unique_ptr<virtio::ConsolePort> port_;
  std::optional<EventLoop::Watch> watch_;

  mutable Mutex mutex_;
  std::string sizes_ GUARDED_BY(mutex_);
};

}  // namespace ember::api

#endif  // EMBER_TESTS_API_GUEST_CONSOLE_H_
