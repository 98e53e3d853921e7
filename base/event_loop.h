#ifndef EMBER_BASE_EVENT_LOOP_H_
#define EMBER_BASE_EVENT_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"

namespace ember {

// The heart of a thread that serves devices: waits for descriptors, timers and posted tasks, and
// runs their callbacks one at a time on the thread that called Run(). Only Post() and Stop() may be
// called from other threads. Watches and timers are owned by their holder and must be destroyed on
// the loop thread (or while the loop does not run), before the loop. A callback may destroy its own
// watch.
//
// An epoll of our own, for a doorbell is on the way of every request of a guest: one event is one
// epoll_wait and nothing more.
class EventLoop {
  class Impl;

 public:
  using Task = std::function<void()>;

  // Calls back for as long as it lives. Move-only.
  class Watch {
   public:
    Watch(Watch&& other) noexcept;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch();

   private:
    friend class Impl;
    Watch(Impl* loop, uint64_t name);
    Impl* loop_;
    uint64_t name_;
  };

  // Why a Wait returned.
  enum class Woken { kByDescriptor, kByItsOwn };
  // Waits until `fd` may be readable, or does work of its own that came first. Returns often: the
  // end of the loop is seen only then.
  using Wait = std::function<Woken(int fd)>;

  static Result<std::unique_ptr<EventLoop>> Create();
  ~EventLoop();

  // Runs callbacks until Stop(), which may have come before; afterwards it can be run again.
  void Run();
  // The same, for a thread that also waits for what is no descriptor.
  void Run(const Wait& wait);
  // Makes Run() return after the callback under way. Any thread.
  void Stop();
  // Runs `task` on the loop thread, in order of posting. Any thread. Tasks posted after the loop
  // has ended are destroyed unrun.
  void Post(Task task);

  // Calls `on_ready` each time `fd` is readable (level-triggered: the callback must read it empty
  // or it is called again). The descriptor stays the caller's and must outlive the watch.
  Result<Watch> WatchReadable(int fd, Task on_ready);
  // The same for writable.
  Result<Watch> WatchWritable(int fd, Task on_ready);
  // What a watch of a descriptor waits for, beside its hang-up.
  enum class Interest : uint8_t { kHangUp, kReadable, kWritable, kBoth };
  // Calls `on_ready` while `fd` is as `interest` says, or its other end has gone.
  Result<Watch> WatchFor(int fd, Interest interest, Task on_ready);
  // Calls `on_arrival` after each write to an eventfd, or once for several; nobody need read it.
  Result<Watch> WatchArrivals(int event_fd, Task on_arrival);
  // Calls `task` once after `delay`.
  Result<Watch> CallAfter(std::chrono::nanoseconds delay, Task task);

 private:
  explicit EventLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember

#endif  // EMBER_BASE_EVENT_LOOP_H_
