#include "tests/virtio/driver/rig.h"

#include <poll.h>
#include <unistd.h>

#include <vector>

namespace ember::virtio::testing {
namespace {

// One for each queue, and the host's, which poll() passes over where there is none.
std::vector<pollfd> WakeUpFds(DeviceState& state) {
  std::vector<pollfd> fds;
  for (size_t i = 0; i < state.queue_count(); ++i) {
    const QueueIndex queue{static_cast<uint16_t>(i)};
    const bool elsewhere = state.device().serves_queues_elsewhere();
    fds.push_back(
        {.fd = elsewhere ? -1 : state.notify_fd(queue).get(), .events = POLLIN, .revents = 0});
  }
  fds.push_back({.fd = state.device().host_event_fd(), .events = POLLIN, .revents = 0});
  return fds;
}

// How many wake-ups there were.
int ProcessReadable(DeviceState& state, const std::vector<pollfd>& fds) {
  int wake_ups = 0;
  for (size_t i = 0; i < state.queue_count(); ++i) {
    if ((fds[i].revents & POLLIN) == 0) continue;
    // poll() is level-triggered. Before the work: a notification that comes now is kept.
    uint64_t count = 0;
    static_cast<void>(::read(fds[i].fd, &count, sizeof(count)) < 0);
    state.ProcessQueue(QueueIndex{static_cast<uint16_t>(i)});
    ++wake_ups;
  }
  if ((fds[state.queue_count()].revents & POLLIN) != 0) {
    state.ProcessHostEvents();
    ++wake_ups;
  }
  return wake_ups;
}

}  // namespace

bool Rig::PumpOnce() {
  std::vector<pollfd> fds = WakeUpFds(state());
  ::poll(fds.data(), fds.size(), 0);
  return ProcessReadable(state(), fds) > 0;
}

int Rig::Pump() {
  int rounds = 0;
  while (PumpOnce()) ++rounds;
  return rounds;
}

SavedMmio Rig::Save() {
  DeviceHold hold(state());
  return transport->Save(hold).value();
}

DeviceThread::DeviceThread(DeviceState& state)
    : state_(state),
      stop_(*CreateEventFd()),
      thread_(*Thread::Start("device", [this] { Work(); })) {}

DeviceThread::~DeviceThread() {
  const uint64_t one = 1;
  static_cast<void>(::write(stop_.get(), &one, sizeof(one)) < 0);
  thread_.Join();
}

void DeviceThread::Work() {
  std::vector<pollfd> fds = WakeUpFds(state_);
  fds.push_back({.fd = stop_.get(), .events = POLLIN, .revents = 0});
  for (;;) {
    ::poll(fds.data(), fds.size(), -1);
    if ((fds.back().revents & POLLIN) != 0) return;
    ProcessReadable(state_, fds);
  }
}

}  // namespace ember::virtio::testing
